//! A program that saves is killed at random moments: the keystore always opens.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mvs_wallet::keys::network::Network;
use mvs_wallet::keystore::Keystore;
use mvs_wallet::keystore::kdf::KdfParams;
use mvs_wallet::keystore::vault::Vault;
use mvs_wallet::password::Password;

const CHILD: &str = "MVS_TEST_KILL_FILE";
const ROUNDS: u64 = 12;

fn password() -> Password {
    Password::new("killed".to_owned()).unwrap()
}

/// Not a test by itself: what the child process runs. Without the variable it has nothing to do.
#[test]
fn child_saves_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut keystore = Keystore::open(Path::new(&path), &password()).unwrap();
    println!("ready");
    loop {
        let next = keystore.vault().birthday.unwrap() + 1;
        keystore.vault_mut().birthday = Some(next);
        keystore.save().unwrap();
    }
}

#[test]
fn a_killed_program_never_loses_the_keystore() {
    let folder = std::env::temp_dir().join(format!("mvs-kill-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("wallet.mvs");
    let vault = Vault::new(Network::Private, Some(0));
    drop(Keystore::create_with(&path, &password(), vault, KdfParams::FLOOR).unwrap());
    let mut last = 0;
    let mut saved = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_saves_until_it_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.ends_with("ready"))));
        // The moment of the kill is what varies; nothing is waited for.
        std::thread::sleep(Duration::from_micros(1_700 * round + 130));
        child.kill().unwrap();
        child.wait().unwrap();
        // The lock of a killed program is gone, and the file is whole.
        let keystore = Keystore::open(&path, &password()).unwrap();
        let birthday = keystore.vault().birthday.unwrap();
        assert!(birthday >= last);
        saved += u32::from(birthday > last);
        last = birthday;
    }
    assert!(saved > 0, "no child ever saved");
    fs::remove_dir_all(&folder).unwrap();
}
