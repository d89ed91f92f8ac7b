//! Users, sessions and API keys in SQLite.

use jiff::Timestamp;
use oncue_domain::access::{
    API_KEYS_MAX, ApiKey, KeyHash, Preferences, Registration, Scope, Session, ShownIn, Theme, User, email_key,
};
use oncue_domain::id::{ApiKeyId, UserId};
use oncue_domain::store::{NewApiKey, NewUser, Registered, Result};
use rusqlite::{Connection, Row};

use super::failed;
use crate::codec::{broken, instant};

const USER: &str = "users.id, users.email, users.is_operator, users.created_at, users.disabled_at, \
                    users.zone, users.shown_in, users.theme, users.shortcuts";

/// How many columns that is.
const USER_COLUMNS: usize = 9;

/// The built-in user has the one address key that nobody can type.
const LOCAL_KEY: &str = "";

/// The name the built-in user is shown by.
const LOCAL_NAME: &str = "local";

fn user(row: &Row<'_>) -> Result<User> {
    let disabled_at: Option<i64> = row.get(4).map_err(failed)?;
    let (shown_in, theme): (String, String) = (row.get(6).map_err(failed)?, row.get(7).map_err(failed)?);
    Ok(User {
        id: UserId(row.get(0).map_err(failed)?),
        email: row.get(1).map_err(failed)?,
        is_operator: row.get(2).map_err(failed)?,
        created_at: instant(row.get(3).map_err(failed)?)?,
        disabled_at: disabled_at.map(instant).transpose()?,
        preferences: Preferences {
            zone: row.get(5).map_err(failed)?,
            shown_in: ShownIn::from_word(&shown_in).ok_or_else(|| broken("shown_in", &shown_in))?,
            theme: Theme::from_word(&theme).ok_or_else(|| broken("theme", &theme))?,
            shortcuts: row.get(8).map_err(failed)?,
        },
    })
}

fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    rows.next().map_err(failed)?.map(read).transpose()
}

fn insert(
    connection: &Connection,
    email: &str,
    key: &str,
    hash: &str,
    is_operator: bool,
    now: Timestamp,
) -> Result<User> {
    connection
        .execute(
            "INSERT INTO users (email, email_key, password_hash, is_operator, created_at) VALUES (?, ?, ?, ?, ?)",
            (email, key, hash, is_operator, now.as_microsecond()),
        )
        .map_err(failed)?;
    Ok(User {
        id: UserId(connection.last_insert_rowid()),
        email: email.to_owned(),
        is_operator,
        created_at: now,
        disabled_at: None,
        preferences: Preferences::default(),
    })
}

pub(super) fn register(
    connection: &Connection,
    new: &NewUser,
    rule: Registration,
    now: Timestamp,
) -> Result<Registered> {
    let key = email_key(&new.email);
    let (users, taken): (i64, bool) = connection
        .query_row(
            "SELECT count(*), coalesce(max(email_key = ?1), 0) FROM users WHERE email_key <> ''",
            [&key],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(failed)?;
    if rule == Registration::Closed || (rule == Registration::First && users > 0) {
        return Ok(Registered::Closed);
    }
    if taken {
        return Ok(Registered::EmailTaken);
    }
    insert(connection, new.email.trim(), &key, &new.password_hash, users == 0, now).map(Registered::Done)
}

pub(super) fn local_user(connection: &Connection, now: Timestamp) -> Result<User> {
    let sql = format!("SELECT {USER} FROM users WHERE email_key = ?");
    match first(connection, &sql, [LOCAL_KEY], user)? {
        Some(user) => Ok(user),
        None => insert(connection, LOCAL_NAME, LOCAL_KEY, "", true, now),
    }
}

pub(super) fn user_by_email(connection: &Connection, email: &str) -> Result<Option<(User, String)>> {
    let key = email_key(email);
    if key == LOCAL_KEY {
        return Ok(None);
    }
    let sql = format!("SELECT {USER}, users.password_hash FROM users WHERE email_key = ?");
    first(connection, &sql, [key], |row| Ok((user(row)?, row.get(USER_COLUMNS).map_err(failed)?)))
}

pub(super) fn users(connection: &Connection) -> Result<Vec<User>> {
    let sql = format!("SELECT {USER} FROM users WHERE email_key <> '' ORDER BY id");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut users = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        users.push(user(row)?);
    }
    Ok(users)
}

pub(super) fn set_password(connection: &Connection, id: UserId, hash: &str) -> Result<bool> {
    let changed = connection
        .execute(
            "UPDATE users SET password_hash = ?, disabled_at = NULL WHERE id = ? AND email_key <> ''",
            (hash, id.0),
        )
        .map_err(failed)?;
    if changed == 0 {
        return Ok(false);
    }
    connection.execute("DELETE FROM sessions WHERE user_id = ?", [id.0]).map_err(failed)?;
    Ok(true)
}

pub(super) fn disable_user(connection: &Connection, id: UserId, now: Timestamp) -> Result<bool> {
    let changed = connection
        .execute(
            "UPDATE users SET disabled_at = coalesce(disabled_at, ?) WHERE id = ? AND email_key <> ''",
            (now.as_microsecond(), id.0),
        )
        .map_err(failed)?;
    if changed == 0 {
        return Ok(false);
    }
    connection.execute("DELETE FROM sessions WHERE user_id = ?", [id.0]).map_err(failed)?;
    Ok(true)
}

pub(super) fn open_session(connection: &Connection, session: &Session) -> Result<()> {
    connection
        .execute(
            "INSERT INTO sessions (id, user_id, created_at, expires_at, agent) VALUES (?, ?, ?, ?, ?)",
            (
                &session.id,
                session.user.0,
                session.created_at.as_microsecond(),
                session.expires_at.as_microsecond(),
                &session.agent,
            ),
        )
        .map_err(failed)?;
    Ok(())
}

pub(super) fn session_user(connection: &Connection, id: &str, now: Timestamp) -> Result<Option<User>> {
    let sql = format!(
        "SELECT {USER}
         FROM sessions JOIN users ON users.id = sessions.user_id
         WHERE sessions.id = ? AND sessions.expires_at > ? AND users.disabled_at IS NULL"
    );
    first(connection, &sql, (id, now.as_microsecond()), user)
}

/// Gives the user whose session ends.
pub(super) fn end_session(connection: &Connection, id: &str) -> Result<Option<UserId>> {
    first(connection, "DELETE FROM sessions WHERE id = ? RETURNING user_id", [id], |row| {
        row.get(0).map(UserId).map_err(failed)
    })
}

pub(super) fn sessions(connection: &Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, user_id, created_at, expires_at, agent
             FROM sessions
             WHERE user_id = ? AND expires_at > ?
             ORDER BY created_at DESC, id DESC",
        )
        .map_err(failed)?;
    let mut rows = statement.query((user.0, now.as_microsecond())).map_err(failed)?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        sessions.push(Session {
            id: row.get(0).map_err(failed)?,
            user: UserId(row.get(1).map_err(failed)?),
            created_at: instant(row.get(2).map_err(failed)?)?,
            expires_at: instant(row.get(3).map_err(failed)?)?,
            agent: row.get(4).map_err(failed)?,
        });
    }
    Ok(sessions)
}

pub(super) fn end_other_sessions(connection: &Connection, user: UserId, kept: &str) -> Result<usize> {
    connection.execute("DELETE FROM sessions WHERE user_id = ? AND id <> ?", (user.0, kept)).map_err(failed)
}

pub(super) fn set_preferences(connection: &Connection, user: UserId, preferences: &Preferences) -> Result<bool> {
    let changed = connection
        .execute(
            "UPDATE users SET zone = ?2, shown_in = ?3, theme = ?4, shortcuts = ?5 WHERE id = ?1",
            (user.0, &preferences.zone, preferences.shown_in.word(), preferences.theme.word(), preferences.shortcuts),
        )
        .map_err(failed)?;
    Ok(changed > 0)
}

const KEY: &str = "api_keys.id, api_keys.owner, api_keys.name, api_keys.prefix, api_keys.scopes, api_keys.created_at, \
                   api_keys.expires_at, api_keys.last_used_at";

fn api_key(row: &Row<'_>, at: usize) -> Result<ApiKey> {
    let scopes: String = row.get(at + 4).map_err(failed)?;
    let expires_at: Option<i64> = row.get(at + 6).map_err(failed)?;
    let last_used_at: Option<i64> = row.get(at + 7).map_err(failed)?;
    Ok(ApiKey {
        id: ApiKeyId(row.get(at).map_err(failed)?),
        owner: UserId(row.get(at + 1).map_err(failed)?),
        name: row.get(at + 2).map_err(failed)?,
        prefix: row.get(at + 3).map_err(failed)?,
        scopes: scopes
            .split_whitespace()
            .map(|word| Scope::from_word(word).ok_or_else(|| broken("scopes", word)))
            .collect::<Result<_>>()?,
        created_at: instant(row.get(at + 5).map_err(failed)?)?,
        expires_at: expires_at.map(instant).transpose()?,
        last_used_at: last_used_at.map(instant).transpose()?,
    })
}

pub(super) fn create_api_key(connection: &Connection, new: &NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
    let count: usize = connection
        .query_row("SELECT count(*) FROM api_keys WHERE owner = ?", [new.owner.0], |row| row.get(0))
        .map_err(failed)?;
    if count >= API_KEYS_MAX {
        return Ok(None);
    }
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.word()).collect();
    connection
        .execute(
            "INSERT INTO api_keys (owner, name, prefix, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                new.owner.0,
                &new.name,
                &new.prefix,
                new.hash,
                scopes.join(" "),
                now.as_microsecond(),
                new.expires_at.map(Timestamp::as_microsecond),
            ),
        )
        .map_err(failed)?;
    Ok(Some(ApiKey {
        id: ApiKeyId(connection.last_insert_rowid()),
        owner: new.owner,
        name: new.name.clone(),
        prefix: new.prefix.clone(),
        scopes: new.scopes.clone(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
    }))
}

pub(super) fn api_keys(connection: &Connection, owner: UserId) -> Result<Vec<ApiKey>> {
    let sql = format!("SELECT {KEY} FROM api_keys WHERE owner = ? ORDER BY id");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([owner.0]).map_err(failed)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        keys.push(api_key(row, 0)?);
    }
    Ok(keys)
}

/// Gives the name of the key that is deleted.
pub(super) fn delete_api_key(connection: &Connection, owner: UserId, id: ApiKeyId) -> Result<Option<String>> {
    let sql = "DELETE FROM api_keys WHERE owner = ? AND id = ? RETURNING name";
    first(connection, sql, (owner.0, id.0), |row| row.get(0).map_err(failed))
}

pub(super) fn api_key_user(connection: &Connection, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>> {
    let sql = format!(
        "SELECT {USER}, {KEY}
         FROM api_keys JOIN users ON users.id = api_keys.owner
         WHERE api_keys.hash = ? AND (api_keys.expires_at IS NULL OR api_keys.expires_at > ?) AND users.disabled_at IS NULL"
    );
    first(connection, &sql, (hash, now.as_microsecond()), |row| Ok((user(row)?, api_key(row, USER_COLUMNS)?)))
}

pub(super) fn touch_api_key(connection: &Connection, id: ApiKeyId, now: Timestamp) -> Result<()> {
    connection
        .execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (now.as_microsecond(), id.0))
        .map_err(failed)?;
    Ok(())
}
