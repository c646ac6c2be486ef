//! Users of the RPC with their rights, and the file that names them.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use mvs_rpc_api::methods::Right;

use crate::config::Setting;

/// Cost of a password: 19 MiB, two passes, one lane; what OWASP recommends for Argon2id at least.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The dearest password that a file may ask for: 256 MiB, ten passes, four lanes.
const MOST_COST: (u32, u32, u32) = (256 * 1024, 10, 4);
/// Most users.
const MOST_USERS: usize = 1_000;
/// The shortest password that is taken for a new user, in bytes.
const LEAST_PASSWORD: usize = 8;
/// The longest password in bytes: the header that carries it has 1,024.
const MOST_PASSWORD: usize = 512;

/// What somebody who asks may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Read chain, pool and peers.
    Read,
    /// Get work and hand in solutions.
    Mine,
    /// Everything.
    All,
}

impl Grant {
    /// Tells whether it suffices.
    pub const fn allows(self, right: Right) -> bool {
        matches!(
            (self, right),
            (Self::All, _)
                | (_, Right::Any)
                | (Self::Read, Right::Read)
                | (Self::Mine, Right::Mine)
        )
    }

    /// Reads the word for it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "mine" => Some(Self::Mine),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Mine => "mine",
            Self::All => "all",
        }
    }
}

impl Setting for Grant {
    const EXPECTED: &'static str = "\"read\", \"mine\" or \"all\"";

    fn parse(text: &str) -> Result<Self, String> {
        Self::from_name(text).ok_or_else(|| format!("{text:?} is none of read, mine, all"))
    }

    fn to_toml(&self) -> String {
        format!("\"{}\"", self.name())
    }
}

/// What is wrong with a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// A line is not of the form that `mvs-node rpc-user` writes.
    #[error("line {0} is no user; make one with `mvs-node rpc-user`")]
    Line(usize),
    /// Two lines name the same user.
    #[error("line {0} names a user again")]
    Twice(usize),
    /// The file is too long.
    #[error("more than {MOST_USERS} users")]
    TooMany,
    /// The name is empty, too long, or has other characters than letters, digits, `-`, `_` and `.`.
    #[error("a name has 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name,
    /// The password is too short.
    #[error("a password has at least {LEAST_PASSWORD} bytes")]
    Password,
    /// The password is too long for the header that carries it.
    #[error("a password has at most {MOST_PASSWORD} bytes")]
    LongPassword,
    /// It cannot be hashed.
    #[error("the password cannot be hashed")]
    Hash,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    grant: Grant,
    cost: (u32, u32, u32),
    salt: [u8; 16],
    hash: [u8; 32],
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, grant) = (&self.name, self.grant);
        f.debug_struct("User").field("name", name).field("grant", &grant).finish_non_exhaustive()
    }
}

/// Memory for hashes, kept: what each thread for blocking work took and gave back would stay with that
/// thread.
#[derive(Default)]
pub struct HashMemory(Vec<Block>);

impl fmt::Debug for HashMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashMemory").field("blocks", &self.0.len()).finish()
    }
}

fn digest(
    password: &[u8],
    salt: &[u8],
    cost: (u32, u32, u32),
    memory: &mut HashMemory,
) -> Result<[u8; 32], UserError> {
    let (kib, passes, lanes) = cost;
    let params = Params::new(kib, passes, lanes, Some(32)).map_err(|_| UserError::Hash)?;
    let blocks = params.block_count();
    if memory.0.len() < blocks {
        memory.0.resize(blocks, Block::default());
    }
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut out, &mut memory.0)
        .map_err(|_| UserError::Hash)?;
    Ok(out)
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(is_plain)
}

impl User {
    /// Makes a user.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn new(
        name: &str,
        grant: Grant,
        password: &[u8],
        salt: [u8; 16],
    ) -> Result<Self, UserError> {
        if !is_name(name) {
            return Err(UserError::Name);
        }
        if password.len() < LEAST_PASSWORD {
            return Err(UserError::Password);
        }
        if password.len() > MOST_PASSWORD {
            return Err(UserError::LongPassword);
        }
        let hash = digest(password, &salt, COST, &mut HashMemory::default())?;
        Ok(Self { name: name.to_owned(), grant, cost: COST, salt, hash })
    }

    /// Returns the line of the file: name, right, and the hash of the password.
    pub fn to_line(&self) -> String {
        let (memory, passes, lanes) = self.cost;
        let (salt, hash) = (hex::encode(self.salt), hex::encode(self.hash));
        let (name, grant) = (&self.name, self.grant.name());
        format!("{name}:{grant}:argon2id:{memory}:{passes}:{lanes}:{salt}:{hash}")
    }

    fn from_line(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split(':').collect();
        let [name, grant, "argon2id", memory, passes, lanes, salt, hash] = parts.as_slice() else {
            return None;
        };
        let cost = (memory.parse().ok()?, passes.parse().ok()?, lanes.parse().ok()?);
        let is_dear = cost.0 > MOST_COST.0 || cost.1 > MOST_COST.1 || cost.2 > MOST_COST.2;
        if !is_name(name) || is_dear || Params::new(cost.0, cost.1, cost.2, Some(32)).is_err() {
            return None;
        }
        let mut user = Self {
            name: (*name).to_owned(),
            grant: Grant::from_name(grant)?,
            cost,
            salt: [0; 16],
            hash: [0; 32],
        };
        hex::decode_to_slice(salt, &mut user.salt).ok()?;
        hex::decode_to_slice(hash, &mut user.hash).ok()?;
        Some(user)
    }

    /// Tells whether this is the user's password. Takes a while, on purpose.
    pub fn is_password(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        digest(password, &self.salt, self.cost, memory).is_ok_and(|found| {
            // Without an early end: the time tells nothing.
            let difference = found.iter().zip(&self.hash).fold(0, |sum, (a, b)| sum | (a ^ b));
            difference == 0
        })
    }

    /// Returns what the user may do.
    pub const fn grant(&self) -> Grant {
        self.grant
    }
}

/// The users of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users(Vec<User>);

impl Users {
    /// Reads the text of a file: a user on each line; empty lines and those that begin with `#` say
    /// nothing.
    ///
    /// # Errors
    /// [`UserError`] names the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, UserError> {
        let mut users: Vec<User> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let user = User::from_line(line).ok_or(UserError::Line(number))?;
            if users.iter().any(|other| other.name == user.name) {
                return Err(UserError::Twice(number));
            }
            users.push(user);
            if users.len() > MOST_USERS {
                return Err(UserError::TooMany);
            }
        }
        Ok(Self(users))
    }

    /// Finds a user.
    pub fn find(&self, name: &str) -> Option<&User> {
        self.0.iter().find(|user| user.name == name)
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Grant, HashMemory, User, UserError, Users};
    use mvs_rpc_api::methods::Right;

    #[test]
    fn a_user_is_read_as_written() {
        let user = User::new("explorer-1", Grant::Read, b"long enough", [7; 16]).unwrap();
        let line = user.to_line();
        assert!(!line.contains("long enough") && !format!("{user:?}").contains(&line[40..]));
        let users = Users::parse(&format!("# comment\n\n{line}\n")).unwrap();
        let mut memory = HashMemory::default();
        let found = users.find("explorer-1").unwrap();
        assert_eq!(found, &user);
        assert!(
            found.is_password(b"long enough", &mut memory)
                && !found.is_password(b"long enougi", &mut memory)
        );
        assert_eq!(found.grant(), Grant::Read);
        assert_eq!(Users::parse(&format!("{line}\n{line}")), Err(UserError::Twice(2)));
    }

    #[test]
    fn wrong_lines_are_refused() {
        let line = User::new("a", Grant::All, b"long enough", [7; 16]).unwrap().to_line();
        for bad in [
            "a:all:secret".to_owned(),
            line.replace(":all:", ":some:"),
            line.replace("argon2id", "md5"),
            line.replace(":19456:", ":99999999:"),
            line.replace(":2:1:", ":2:0:"),
            line.replace("a:all", "a b:all"),
            format!("{line}00"),
        ] {
            assert_eq!(Users::parse(&bad), Err(UserError::Line(1)), "{bad}");
        }
        assert_eq!(User::new("", Grant::All, b"long enough", [0; 16]), Err(UserError::Name));
        assert_eq!(User::new("a", Grant::All, b"short", [0; 16]), Err(UserError::Password));
        let long = [b'x'; 513];
        assert_eq!(User::new("a", Grant::All, &long, [0; 16]), Err(UserError::LongPassword));
    }

    #[test]
    fn rights_do_not_reach_further() {
        for (grant, allowed) in [
            (Grant::All, vec![Right::Any, Right::Read, Right::Mine, Right::All]),
            (Grant::Read, vec![Right::Any, Right::Read]),
            (Grant::Mine, vec![Right::Any, Right::Mine]),
        ] {
            for right in [Right::Any, Right::Read, Right::Mine, Right::All] {
                assert_eq!(grant.allows(right), allowed.contains(&right), "{grant:?} {right:?}");
            }
        }
    }
}
