//! In which zone times are told: the viewer's own, a trigger's, and the one of the two that somebody wants to see. What a
//! schedule means never depends on who looks.

use oncue_domain::access::ShownIn;
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::trigger::ScheduleDetails;

use crate::api::trigger::zone_of;
use crate::app::Shared;
use crate::auth::Caller;

/// The zone that somebody lives in: the one they chose, else the server's.
pub(crate) fn own_zone(app: &Shared, caller: &Caller) -> Zone {
    let chosen = caller.user.preferences.zone.as_deref();
    // A zone that was chosen long ago may be missing in today's data; times are then shown in the server's.
    chosen.and_then(|name| app.zones.get(name).ok()).unwrap_or_else(|| app.settings.zone.clone())
}

/// The zone that a trigger of this schedule is read in; without a schedule the server's.
pub(crate) fn trigger_zone<'a>(app: &'a Shared, schedule: Option<&'a ScheduleDetails>) -> &'a Zone {
    schedule.map_or(&app.settings.zone, |details| zone_of(app, details))
}

/// The zone in which somebody wants times to be shown, on a page or in a line that is about a trigger of the zone `of_trigger`,
/// or about none.
pub(crate) fn shown_zone(app: &Shared, caller: &Caller, of_trigger: Option<&Zone>) -> Zone {
    match (caller.user.preferences.shown_in, of_trigger) {
        (ShownIn::Utc, _) => Zones::utc(),
        (ShownIn::Trigger, Some(zone)) => zone.clone(),
        (ShownIn::Mine | ShownIn::Trigger, _) => own_zone(app, caller),
    }
}
