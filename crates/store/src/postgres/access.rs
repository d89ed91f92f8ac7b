//! Users, sessions and API keys in PostgreSQL. Nodes that do the same thing at once are held apart by rows and locks of the
//! database: who is the first user, that there is one built-in one, and how many keys somebody has.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::access::{
    API_KEYS_MAX, ApiKey, KeyHash, Preferences, Registration, Scope, Session, ShownIn, Theme, User, email_key,
};
use oncue_domain::act::{Act, Action};
use oncue_domain::actor::Author;
use oncue_domain::id::{ApiKeyId, UserId};
use oncue_domain::store::{Error, NewApiKey, NewUser, Registered, Result};
use tokio_postgres::Row;

use super::doorkeeper::{Found, KeyFound, SessionFound};
use super::{Params, act, answered, column, execute, locks, query, query_first};
use crate::codec::{broken, instant};

const USER: &str = "users.id, users.email, users.is_operator, users.created_at, users.disabled_at, \
                    users.zone, users.shown_in, users.theme, users.shortcuts";

/// How many columns that is.
const USER_COLUMNS: usize = 9;

/// The built-in user has the one address key that nobody can type.
const LOCAL_KEY: &str = "";

/// The name the built-in user is shown by.
const LOCAL_NAME: &str = "local";

fn user(row: &Row) -> Result<User> {
    let disabled_at: Option<i64> = column(row, 4)?;
    let (shown_in, theme): (&str, &str) = (column(row, 6)?, column(row, 7)?);
    Ok(User {
        id: UserId(column(row, 0)?),
        email: column(row, 1)?,
        is_operator: column(row, 2)?,
        created_at: instant(column(row, 3)?)?,
        disabled_at: disabled_at.map(instant).transpose()?,
        preferences: Preferences {
            zone: column(row, 5)?,
            shown_in: ShownIn::from_word(shown_in).ok_or_else(|| broken("shown_in", shown_in))?,
            theme: Theme::from_word(theme).ok_or_else(|| broken("theme", theme))?,
            shortcuts: column(row, 8)?,
        },
    })
}

async fn first<T>(
    client: &impl GenericClient,
    sql: &str,
    params: Params<'_>,
    read: impl Fn(&Row) -> Result<T>,
) -> Result<Option<T>> {
    query_first(client, sql, params).await?.as_ref().map(read).transpose()
}

pub(super) async fn register(
    client: &mut Client,
    new: &NewUser,
    rule: Registration,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Registered> {
    if rule == Registration::Closed {
        return Ok(Registered::Closed);
    }
    let (key, email) = (email_key(&new.email), new.email.trim());
    let transaction = locks::locked(client, locks::REGISTERING).await?;
    let others = query_first(&transaction, "SELECT id FROM users WHERE email_key > '' LIMIT 1", &[]).await?;
    let is_first = others.is_none();
    if rule == Registration::First && !is_first {
        return Ok(Registered::Closed);
    }
    if query_first(&transaction, "SELECT id FROM users WHERE email_key = $1", &[&key]).await?.is_some() {
        return Ok(Registered::EmailTaken);
    }
    let id = first(
        &transaction,
        "INSERT INTO users (email, email_key, password_hash, is_operator, created_at)
         VALUES ($1, $2, $3, $4, $5)
         RETURNING id",
        &[&email, &key, &new.password_hash, &is_first, &now.as_microsecond()],
        |row| column(row, 0).map(UserId),
    )
    .await?
    .ok_or_else(|| broken("users.id", "none was given"))?;
    act::note(&transaction, author, Some(Act::user(id, Action::Created))).await?;
    answered(transaction.commit()).await?;
    Ok(Registered::Done(User {
        id,
        email: email.to_owned(),
        is_operator: is_first,
        created_at: now,
        disabled_at: None,
        preferences: Preferences::default(),
    }))
}

pub(super) async fn local_user(client: &Client, now: Timestamp) -> Result<User> {
    let sql = format!("SELECT {USER} FROM users WHERE email_key = $1");
    if let Some(user) = first(client, &sql, &[&LOCAL_KEY], user).await? {
        return Ok(user);
    }
    // Nodes that start together agree on the one that was made first.
    execute(
        client,
        "INSERT INTO users (email, email_key, password_hash, is_operator, created_at)
         VALUES ($1, $2, '', TRUE, $3)
         ON CONFLICT (email_key) DO NOTHING",
        &[&LOCAL_NAME, &LOCAL_KEY, &now.as_microsecond()],
    )
    .await?;
    let made = first(client, &sql, &[&LOCAL_KEY], user).await?;
    made.ok_or_else(|| broken("users.email_key", "the built-in user is not there"))
}

pub(super) async fn user_by_email(client: &Client, email: &str) -> Result<Option<(User, String)>> {
    let key = email_key(email);
    // Anybody may try anything at a login; this database takes no NUL in a text.
    if key == LOCAL_KEY || key.contains('\0') {
        return Ok(None);
    }
    let sql = format!("SELECT {USER}, users.password_hash FROM users WHERE email_key = $1");
    first(client, &sql, &[&key], |row| Ok((user(row)?, column(row, USER_COLUMNS)?))).await
}

pub(super) async fn users(client: &Client) -> Result<Vec<User>> {
    let sql = format!("SELECT {USER} FROM users WHERE email_key <> '' ORDER BY id");
    query(client, &sql, &[]).await?.iter().map(user).collect()
}

pub(super) async fn set_password(client: &impl GenericClient, id: UserId, hash: &str) -> Result<bool> {
    let sql = "WITH changed AS (
                   UPDATE users SET password_hash = $2, disabled_at = NULL
                   WHERE id = $1 AND email_key <> ''
                   RETURNING id
               ),
               ended AS (DELETE FROM sessions WHERE user_id = $1 AND EXISTS (SELECT 1 FROM changed))
               SELECT id FROM changed";
    Ok(query_first(client, sql, &[&id.0, &hash]).await?.is_some())
}

pub(super) async fn disable_user(client: &impl GenericClient, id: UserId, now: Timestamp) -> Result<bool> {
    let sql = "WITH changed AS (
                   UPDATE users SET disabled_at = coalesce(disabled_at, $2)
                   WHERE id = $1 AND email_key <> ''
                   RETURNING id
               ),
               ended AS (DELETE FROM sessions WHERE user_id = $1 AND EXISTS (SELECT 1 FROM changed))
               SELECT id FROM changed";
    Ok(query_first(client, sql, &[&id.0, &now.as_microsecond()]).await?.is_some())
}

pub(super) async fn open_session(client: &impl GenericClient, session: &Session) -> Result<()> {
    execute(
        client,
        "INSERT INTO sessions (id, user_id, created_at, expires_at, agent) VALUES ($1, $2, $3, $4, $5)",
        &[
            &session.id,
            &session.user.0,
            &session.created_at.as_microsecond(),
            &session.expires_at.as_microsecond(),
            &session.agent,
        ],
    )
    .await
    .map(drop)
}

/// What these sessions open, and until when; those whose user is disabled open nothing.
pub(super) async fn sessions_found(client: &Client, ids: &[String]) -> Result<Found<String, SessionFound>> {
    let sql = format!(
        "SELECT {USER}, sessions.id, sessions.expires_at
         FROM sessions JOIN users ON users.id = sessions.user_id
         WHERE sessions.id = ANY ($1) AND users.disabled_at IS NULL"
    );
    let found = query(client, &sql, &[&ids]).await?;
    let session = |row: &Row| Ok((user(row)?, instant(column(row, USER_COLUMNS + 1)?)?));
    found.iter().map(|row| Ok((column(row, USER_COLUMNS)?, session(row)))).collect()
}

/// Gives the user whose session ends.
pub(super) async fn end_session(client: &impl GenericClient, id: &str) -> Result<Option<UserId>> {
    let sql = "DELETE FROM sessions WHERE id = $1 RETURNING user_id";
    first(client, sql, &[&id], |row| column(row, 0).map(UserId)).await
}

pub(super) async fn sessions(client: &Client, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
    let sql = "SELECT id, user_id, created_at, expires_at, agent
               FROM sessions
               WHERE user_id = $1 AND expires_at > $2
               ORDER BY created_at DESC, id COLLATE \"C\" DESC";
    let session = |row: &Row| {
        Ok(Session {
            id: column(row, 0)?,
            user: UserId(column(row, 1)?),
            created_at: instant(column(row, 2)?)?,
            expires_at: instant(column(row, 3)?)?,
            agent: column(row, 4)?,
        })
    };
    query(client, sql, &[&user.0, &now.as_microsecond()]).await?.iter().map(session).collect()
}

pub(super) async fn end_other_sessions(client: &impl GenericClient, user: UserId, kept: &str) -> Result<usize> {
    let ended = execute(client, "DELETE FROM sessions WHERE user_id = $1 AND id <> $2", &[&user.0, &kept]).await?;
    Ok(usize::try_from(ended).unwrap_or(usize::MAX))
}

pub(super) async fn set_preferences(
    client: &impl GenericClient,
    user: UserId,
    preferences: &Preferences,
) -> Result<bool> {
    let (shown_in, theme) = (preferences.shown_in.word(), preferences.theme.word());
    let changed = execute(
        client,
        "UPDATE users SET zone = $2, shown_in = $3, theme = $4, shortcuts = $5 WHERE id = $1",
        &[&user.0, &preferences.zone, &shown_in, &theme, &preferences.shortcuts],
    )
    .await?;
    Ok(changed > 0)
}

const KEY: &str = "api_keys.id, api_keys.owner, api_keys.name, api_keys.prefix, api_keys.scopes, api_keys.created_at, \
                   api_keys.expires_at, api_keys.last_used_at";

/// How many columns that is.
const KEY_COLUMNS: usize = 8;

fn api_key(row: &Row, at: usize) -> Result<ApiKey> {
    let scopes: &str = column(row, at + 4)?;
    let expires_at: Option<i64> = column(row, at + 6)?;
    let last_used_at: Option<i64> = column(row, at + 7)?;
    Ok(ApiKey {
        id: ApiKeyId(column(row, at)?),
        owner: UserId(column(row, at + 1)?),
        name: column(row, at + 2)?,
        prefix: column(row, at + 3)?,
        scopes: scopes
            .split_whitespace()
            .map(|word| Scope::from_word(word).ok_or_else(|| broken("scopes", word)))
            .collect::<Result<_>>()?,
        created_at: instant(column(row, at + 5)?)?,
        expires_at: expires_at.map(instant).transpose()?,
        last_used_at: last_used_at.map(instant).transpose()?,
    })
}

pub(super) async fn create_api_key(
    client: &mut Client,
    new: &NewApiKey,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Option<ApiKey>> {
    let transaction = answered(client.transaction()).await?;
    // An owner's keys are made one at a time, on whatever nodes, so that none is made beyond the last.
    query(&transaction, "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&new.owner.0]).await?;
    let there = query(&transaction, "SELECT id FROM api_keys WHERE owner = $1", &[&new.owner.0]).await?;
    if there.len() >= API_KEYS_MAX {
        return Ok(None);
    }
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.word()).collect();
    let sql = format!(
        "INSERT INTO api_keys (owner, name, prefix, hash, scopes, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE NOT EXISTS (SELECT 1 FROM api_keys WHERE hash = $4)
         RETURNING {KEY}"
    );
    let (now, expires_at) = (now.as_microsecond(), new.expires_at.map(Timestamp::as_microsecond));
    let params: Params<'_> =
        &[&new.owner.0, &new.name, &new.prefix, &new.hash.as_slice(), &scopes.join(" "), &now, &expires_at];
    let made = first(&transaction, &sql, params, |row| api_key(row, 0)).await?;
    let made = made.ok_or_else(|| Error::Broken("there is a key of that hash".to_owned()))?;
    act::note(&transaction, author, Some(Act::key_made(&made))).await?;
    answered(transaction.commit()).await?;
    Ok(Some(made))
}

pub(super) async fn api_keys(client: &Client, owner: UserId) -> Result<Vec<ApiKey>> {
    let sql = format!("SELECT {KEY} FROM api_keys WHERE owner = $1 ORDER BY id");
    query(client, &sql, &[&owner.0]).await?.iter().map(|row| api_key(row, 0)).collect()
}

/// Gives the name of the key that is deleted.
pub(super) async fn delete_api_key(client: &impl GenericClient, owner: UserId, id: ApiKeyId) -> Result<Option<String>> {
    let sql = "DELETE FROM api_keys WHERE owner = $1 AND id = $2 RETURNING name";
    first(client, sql, &[&owner.0, &id.0], |row| column(row, 0)).await
}

/// What the keys of these hashes open, ended or not; those whose owner is disabled open nothing.
pub(super) async fn keys_found(client: &Client, hashes: &[KeyHash]) -> Result<Found<KeyHash, KeyFound>> {
    let sql = format!(
        "SELECT {USER}, {KEY}, api_keys.hash
         FROM api_keys JOIN users ON users.id = api_keys.owner
         WHERE api_keys.hash = ANY ($1) AND users.disabled_at IS NULL"
    );
    let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_slice()).collect();
    let found = query(client, &sql, &[&hashes]).await?;
    let hash = |row: &Row| {
        let hash: &[u8] = column(row, USER_COLUMNS + KEY_COLUMNS)?;
        KeyHash::try_from(hash).map_err(|_| broken("api_keys.hash", "it is of another length"))
    };
    let key = |row: &Row| Ok((user(row)?, api_key(row, USER_COLUMNS)?));
    found.iter().map(|row| Ok((hash(row)?, key(row)))).collect()
}

pub(super) async fn touch_api_key(client: &Client, id: ApiKeyId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1";
    execute(client, sql, &[&id.0, &now.as_microsecond()]).await.map(drop)
}
