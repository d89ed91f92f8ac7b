//! Users, sessions and API keys in the reference model.

use jiff::Timestamp;

use super::{Kept, draw};
use crate::access::{API_KEYS_MAX, ApiKey, KeyHash, Preferences, Registration, Session, User, email_key};
use crate::id::{ApiKeyId, UserId};
use crate::store::{Error, NewApiKey, NewUser, Registered, Result};

pub(super) struct KeptUser {
    user: User,
    password_hash: String,
    /// The user of the mode without login.
    is_built_in: bool,
}

pub(super) struct KeptKey {
    key: ApiKey,
    hash: KeyHash,
}

impl Kept {
    /// The users that have an address of their own.
    fn people(&self) -> impl Iterator<Item = &KeptUser> {
        self.users.values().filter(|kept| !kept.is_built_in)
    }

    fn person(&mut self, id: UserId) -> Option<&mut KeptUser> {
        self.users.get_mut(&id).filter(|kept| !kept.is_built_in)
    }

    /// The user, if they may enter.
    fn enabled(&self, id: UserId) -> Option<User> {
        let user = &self.users.get(&id)?.user;
        user.disabled_at.is_none().then(|| user.clone())
    }

    pub(super) fn register(&mut self, new: &NewUser, rule: Registration, now: Timestamp) -> Registered {
        let is_first = self.people().next().is_none();
        if rule == Registration::Closed || (rule == Registration::First && !is_first) {
            return Registered::Closed;
        }
        if self.user_by_email(&new.email).is_some() {
            return Registered::EmailTaken;
        }
        let id = UserId(draw(&mut self.last_ids.user));
        let user = User {
            id,
            email: new.email.trim().to_owned(),
            is_operator: is_first,
            created_at: now,
            disabled_at: None,
            preferences: Preferences::default(),
        };
        let kept = KeptUser { user: user.clone(), password_hash: new.password_hash.clone(), is_built_in: false };
        self.users.insert(id, kept);
        Registered::Done(user)
    }

    pub(super) fn local_user(&mut self, now: Timestamp) -> User {
        if let Some(kept) = self.users.values().find(|kept| kept.is_built_in) {
            return kept.user.clone();
        }
        let id = UserId(draw(&mut self.last_ids.user));
        let user = User {
            id,
            email: "local".to_owned(),
            is_operator: true,
            created_at: now,
            disabled_at: None,
            preferences: Preferences::default(),
        };
        self.users.insert(id, KeptUser { user: user.clone(), password_hash: String::new(), is_built_in: true });
        user
    }

    pub(super) fn user_by_email(&self, email: &str) -> Option<(User, String)> {
        let kept = self.people().find(|kept| email_key(&kept.user.email) == email_key(email))?;
        Some((kept.user.clone(), kept.password_hash.clone()))
    }

    pub(super) fn users(&self) -> Vec<User> {
        self.people().map(|kept| kept.user.clone()).collect()
    }

    pub(super) fn set_password(&mut self, id: UserId, password_hash: &str) -> bool {
        let Some(kept) = self.person(id) else { return false };
        kept.password_hash = password_hash.to_owned();
        kept.user.disabled_at = None;
        self.sessions.retain(|_, session| session.user != id);
        true
    }

    pub(super) fn disable_user(&mut self, id: UserId, now: Timestamp) -> bool {
        let Some(kept) = self.person(id) else { return false };
        kept.user.disabled_at.get_or_insert(now);
        self.sessions.retain(|_, session| session.user != id);
        true
    }

    pub(super) fn open_session(&mut self, session: Session) -> Result<()> {
        if self.sessions.contains_key(&session.id) {
            return Err(Error::Broken("there is a session of that id".to_owned()));
        }
        self.sessions.insert(session.id.clone(), session);
        Ok(())
    }

    pub(super) fn session_user(&self, id: &str, now: Timestamp) -> Option<User> {
        let session = self.sessions.get(id).filter(|session| session.expires_at > now)?;
        self.enabled(session.user)
    }

    pub(super) fn sessions_of(&self, user: UserId, now: Timestamp) -> Vec<Session> {
        let mut sessions: Vec<Session> = self
            .sessions
            .values()
            .filter(|session| session.user == user && session.expires_at > now)
            .cloned()
            .collect();
        sessions.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        sessions
    }

    pub(super) fn end_other_sessions(&mut self, user: UserId, kept: &str) -> usize {
        let before = self.sessions.len();
        self.sessions.retain(|id, session| session.user != user || id == kept);
        before - self.sessions.len()
    }

    /// The sessions that ended first go first.
    pub(super) fn expire_sessions(&mut self, now: Timestamp, limit: usize) {
        let ended = self.sessions.values().filter(|session| session.expires_at <= now);
        let mut ended: Vec<(Timestamp, String)> =
            ended.map(|session| (session.expires_at, session.id.clone())).collect();
        ended.sort();
        for (_, id) in ended.into_iter().take(limit) {
            self.sessions.remove(&id);
        }
    }

    pub(super) fn set_preferences(&mut self, user: UserId, preferences: Preferences) -> bool {
        let Some(kept) = self.users.get_mut(&user) else { return false };
        kept.user.preferences = preferences;
        true
    }

    pub(super) fn create_api_key(&mut self, new: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
        if self.api_keys_of(new.owner).len() >= API_KEYS_MAX {
            return Ok(None);
        }
        if self.api_keys.values().any(|kept| kept.hash == new.hash) {
            return Err(Error::Broken("there is a key of that hash".to_owned()));
        }
        let id = ApiKeyId(draw(&mut self.last_ids.api_key));
        let key = ApiKey {
            id,
            owner: new.owner,
            name: new.name,
            prefix: new.prefix,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
        };
        self.api_keys.insert(id, KeptKey { key: key.clone(), hash: new.hash });
        Ok(Some(key))
    }

    pub(super) fn api_keys_of(&self, owner: UserId) -> Vec<ApiKey> {
        self.api_keys.values().filter(|kept| kept.key.owner == owner).map(|kept| kept.key.clone()).collect()
    }

    /// Gives the name of the key that is deleted.
    pub(super) fn delete_api_key(&mut self, owner: UserId, id: ApiKeyId) -> Option<String> {
        if self.api_keys.get(&id).is_none_or(|kept| kept.key.owner != owner) {
            return None;
        }
        self.api_keys.remove(&id).map(|kept| kept.key.name)
    }

    pub(super) fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Option<(User, ApiKey)> {
        let key = &self.api_keys.values().find(|kept| kept.hash == *hash)?.key;
        let has_ended = key.expires_at.is_some_and(|end| end <= now);
        if has_ended { None } else { Some((self.enabled(key.owner)?, key.clone())) }
    }

    pub(super) fn touch_api_key(&mut self, id: ApiKeyId, now: Timestamp) {
        if let Some(kept) = self.api_keys.get_mut(&id) {
            kept.key.last_used_at = Some(now);
        }
    }
}
