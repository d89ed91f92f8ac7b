//! The owner's destinations as other pages name them: to be chosen, or to say where something goes.

use std::collections::HashMap;

use oncue_domain::destination::{DestinationHead, Standing, Wanted};
use oncue_domain::id::{DestinationId, UserId};

use super::row::kind_title;
use crate::app::App;
use crate::fault::Fault;
use crate::ui::badge::Badge;

/// A destination to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) id: DestinationId,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// Whether deliveries go there now.
    pub(crate) is_active: bool,
    pub(crate) state: Badge,
}

/// Those that are wanted, in the order in which they were made.
pub(crate) async fn choices(app: &App, owner: UserId, wanted: Wanted) -> Result<Vec<Choice>, Fault> {
    let heads = app.store.destination_heads(owner, wanted).await?;
    let choice = |head: DestinationHead| Choice {
        id: head.id,
        kind: kind_title(&head.kind),
        is_active: head.standing == Standing::Active,
        state: Badge::of_destination(&head.standing),
        name: head.name,
    };
    Ok(heads.into_iter().map(choice).collect())
}

/// What each of these is called that is still there.
pub(crate) async fn named(
    app: &App,
    owner: UserId,
    ids: Vec<DestinationId>,
) -> Result<HashMap<DestinationId, String>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let heads = app.store.destination_heads(owner, Wanted::These(ids)).await?;
    Ok(heads.into_iter().map(|head| (head.id, head.name)).collect())
}
