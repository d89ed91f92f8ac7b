//! How often logging in and registering may be tried. Only failures count against a login: a token is taken before the
//! password is checked, so that parallel guesses cannot slip past, and given back when it was right. Nobody is locked out
//! for good. One stranger cannot keep an owner out; many addresses together, guessing without pause, still can while they do.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::access::email_key;
use oncue_domain::limit::{Buckets, Rate};

use crate::app::lock;
use crate::fault::Fault;

/// Wrong passwords for one account from one address.
const PAIR: Rate = Rate { burst: 10, refill_every: Duration::from_secs(60) };

/// Wrong passwords for one account from everywhere; so many that a stranger cannot keep its owner out by guessing slowly.
const ACCOUNT: Rate = Rate { burst: 100, refill_every: Duration::from_secs(10) };

/// Wrong passwords from one address.
const ADDRESS: Rate = Rate { burst: 40, refill_every: Duration::from_secs(20) };

/// Registrations from one address, successful ones included.
const REGISTRATION: Rate = Rate { burst: 60, refill_every: Duration::from_secs(2) };

/// Registrations with one e-mail address: whoever probes for accounts asks about the same one again.
const REGISTRATION_ACCOUNT: Rate = Rate { burst: 10, refill_every: Duration::from_secs(60) };

/// The buckets.
pub(crate) struct LoginLimits {
    pairs: Mutex<Buckets<(String, IpAddr)>>,
    accounts: Mutex<Buckets<String>>,
    addresses: Mutex<Buckets<IpAddr>>,
    registrations: Mutex<Buckets<IpAddr>>,
    registration_accounts: Mutex<Buckets<String>>,
}

impl LoginLimits {
    pub(crate) fn new() -> LoginLimits {
        LoginLimits {
            pairs: Mutex::new(Buckets::new(PAIR)),
            accounts: Mutex::new(Buckets::new(ACCOUNT)),
            addresses: Mutex::new(Buckets::new(ADDRESS)),
            registrations: Mutex::new(Buckets::new(REGISTRATION)),
            registration_accounts: Mutex::new(Buckets::new(REGISTRATION_ACCOUNT)),
        }
    }

    /// Counts an attempt to log in as wrong, until [`LoginLimits::was_right`] says otherwise.
    pub(crate) fn try_login(&self, email: &str, address: IpAddr, now: Timestamp) -> Result<(), Fault> {
        let (account, address) = (email_key(email), network_of(address));
        let pair = (account.clone(), address);
        lock(&self.pairs).take(&pair, now).map_err(Fault::TooMany)?;
        let by_address = lock(&self.addresses).take(&address, now);
        if let Err(wait) = by_address {
            // What was not tried does not count against anything.
            lock(&self.pairs).refund(&pair, now);
            return Err(Fault::TooMany(wait));
        }
        let by_account = lock(&self.accounts).take(&account, now);
        if let Err(wait) = by_account {
            lock(&self.pairs).refund(&pair, now);
            lock(&self.addresses).refund(&address, now);
            return Err(Fault::TooMany(wait));
        }
        Ok(())
    }

    /// The attempt was right after all.
    pub(crate) fn was_right(&self, email: &str, address: IpAddr, now: Timestamp) {
        let (account, address) = (email_key(email), network_of(address));
        lock(&self.addresses).refund(&address, now);
        lock(&self.accounts).refund(&account, now);
        lock(&self.pairs).refund(&(account, address), now);
    }

    /// Counts an attempt to register.
    pub(crate) fn try_registration(&self, email: &str, address: IpAddr, now: Timestamp) -> Result<(), Fault> {
        lock(&self.registrations).take(&network_of(address), now).map_err(Fault::TooMany)?;
        lock(&self.registration_accounts).take(&email_key(email), now).map_err(Fault::TooMany)
    }
}

/// One household has one IPv4 address, but a whole /64 of IPv6 ones.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}
