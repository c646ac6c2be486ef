//! Who may ask: whoever can read the cookie, and the users of a file. There is nobody else, and no
//! password that anybody else has chosen.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mvs_primitives::hash::sha256;
use tokio::sync::Semaphore;

use super::users::{Grant, HashMemory, User, UserError, Users};

/// Name of the file in the data folder.
pub const COOKIE_FILE: &str = ".cookie";
/// The name that goes with the cookie.
const COOKIE_USER: &str = "__cookie__";
/// Passwords that are verified at a time: each takes memory and time.
const VERIFIERS: usize = 2;
/// Verified headers that are remembered.
const MOST_REMEMBERED: usize = 1_024;
/// The longest header that is looked at, in bytes.
const MOST_HEADER_BYTES: usize = 1_024;

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Neither a cookie nor users.
    #[error("rpc_cookie is off and there are no rpc_users: nobody could ask at /rpc")]
    Nobody,
    /// The cookie cannot be written.
    #[error("cannot write the cookie {path}: {source}")]
    Cookie {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The users cannot be read.
    #[error("cannot read the users {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The users are wrong.
    #[error("the users {path}: {source}")]
    Users {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: UserError,
    },
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Lets callers in.
#[derive(Debug)]
pub struct Auth {
    /// Digest of the header that the cookie makes.
    cookie: Option<[u8; 32]>,
    /// Removed when the node ends.
    cookie_file: Option<PathBuf>,
    users: Arc<Users>,
    /// Keeps digests of headers from saying anything about passwords.
    key: [u8; 32],
    remembered: Mutex<HashMap<[u8; 32], Grant>>,
    verifiers: Semaphore,
    /// One for each verifier.
    memory: Arc<Mutex<Vec<HashMemory>>>,
}

impl Auth {
    /// Writes a new cookie if one is wanted, and reads the users.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn new(data_dir: &Path, has_cookie: bool, users: Option<&Path>) -> Result<Self, AuthError> {
        let users = match users {
            None => Users::default(),
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|source| AuthError::File { path: path.to_owned(), source })?;
                Users::parse(&text)
                    .map_err(|source| AuthError::Users { path: path.to_owned(), source })?
            }
        };
        if users.is_empty() && !has_cookie {
            return Err(AuthError::Nobody);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(AuthError::Random)?;
        let mut this = Self {
            cookie: None,
            cookie_file: None,
            users: Arc::new(users),
            key,
            remembered: Mutex::new(HashMap::new()),
            verifiers: Semaphore::new(VERIFIERS),
            memory: Arc::default(),
        };
        if has_cookie {
            let path = data_dir.join(COOKIE_FILE);
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(AuthError::Random)?;
            let text = format!("{COOKIE_USER}:{}", hex::encode(secret));
            write_secret(&path, text.as_bytes())
                .map_err(|source| AuthError::Cookie { path: path.clone(), source })?;
            this.cookie = Some(this.digest(text.as_bytes()));
            this.cookie_file = Some(path);
        }
        Ok(this)
    }

    fn digest(&self, credentials: &[u8]) -> [u8; 32] {
        sha256(&[&self.key[..], credentials].concat())
    }

    /// Tells what the sender of an `Authorization` header may do; `None` when it lets nobody in.
    pub async fn grant(&self, header: Option<&[u8]>) -> Option<Grant> {
        let header = header.filter(|header| header.len() <= MOST_HEADER_BYTES)?;
        let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let credentials = STANDARD.decode(encoded.trim()).ok()?;
        // Digests under a key that nobody knows may be compared in any time.
        let digest = self.digest(&credentials);
        if self.cookie == Some(digest) {
            return Some(Grant::All);
        }
        if let Some(grant) = self.remembered().get(&digest) {
            return Some(*grant);
        }
        let (name, password) = split(&credentials)?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let password = password.to_vec();
        self.users.find(&name)?;
        let _turn = self.verifiers.acquire().await.ok()?;
        let (users, memory) = (Arc::clone(&self.users), Arc::clone(&self.memory));
        let verified = tokio::task::spawn_blocking(move || {
            let spare = memory.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut own = spare.unwrap_or_default();
            let user = users.find(&name).filter(|user| user.is_password(&password, &mut own));
            let grant = user.map(User::grant);
            memory.lock().unwrap_or_else(PoisonError::into_inner).push(own);
            grant
        });
        let grant = verified.await.ok()??;
        let mut remembered = self.remembered();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, grant);
        Some(grant)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Grant>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Auth {
    fn drop(&mut self) {
        if let Some(path) = &self.cookie_file {
            // If it stays, it opens nothing: the next start makes another.
            let _ = fs::remove_file(path);
        }
    }
}

fn split(credentials: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    let (name, rest) = credentials.split_at(colon);
    Some((name, rest.get(1..)?))
}

/// Writes a file that nobody but its owner may read, in the place of an older one.
fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::{Auth, AuthError, COOKIE_FILE};
    use crate::rpc::users::{Grant, User};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn basic(credentials: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
    }

    #[tokio::test]
    async fn cookie_and_users_let_in_and_nothing_else_does() {
        let folder = std::env::temp_dir().join(format!("mvs-node-auth-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        assert!(matches!(Auth::new(&folder, false, None), Err(AuthError::Nobody)));
        let users = folder.join("users");
        let user = User::new("alice", Grant::Read, b"open sesame", [1; 16]).unwrap();
        std::fs::write(&users, user.to_line()).unwrap();
        let auth = Auth::new(&folder, true, Some(&users)).unwrap();
        let cookie = std::fs::read_to_string(folder.join(COOKIE_FILE)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.join(COOKIE_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(auth.grant(Some(&basic(&cookie))).await, Some(Grant::All));
        for _ in 0..2 {
            assert_eq!(auth.grant(Some(&basic("alice:open sesame"))).await, Some(Grant::Read));
        }
        for bad in ["alice:open", "alice:", "bob:open sesame", "__cookie__:", "", ":", "alice"] {
            assert_eq!(auth.grant(Some(&basic(bad))).await, None, "{bad}");
        }
        for bad in [&b"Basic"[..], b"Bearer x", b"Basic !!", b"\xff\xff", b""] {
            assert_eq!(auth.grant(Some(bad)).await, None);
        }
        assert_eq!(auth.grant(None).await, None);
        drop(auth);
        assert!(!folder.join(COOKIE_FILE).exists());
        let again = Auth::new(&folder, true, None).unwrap();
        assert_eq!(again.grant(Some(&basic(&cookie))).await, None, "an old cookie opens nothing");
        drop(again);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
