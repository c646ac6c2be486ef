//! What a wallet reads: words, keyfiles, keystores.

use mvs_wallet::keyfile::{Keyfile, KeyfileError};
use mvs_wallet::keys::mnemonic::{Mnemonic, MnemonicError, TextForm};
use mvs_wallet::keys::network::Network;
use mvs_wallet::keystore::error::KeystoreError;
use mvs_wallet::keystore::header::{Header, offset};
use mvs_wallet::keystore::record::RecordError;
use mvs_wallet::keystore::vault::Vault;
use mvs_wallet::password::Password;

/// Any text as words, and any bytes as what words stand for.
pub(crate) fn mnemonic(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match Mnemonic::parse(text, None) {
            Ok(words) => {
                let sentence = words.reveal_sentence();
                let again = Mnemonic::parse(sentence.reveal(), Some(words.language()));
                let again = again.expect("its own words");
                assert!(again.reveal_entropy().reveal() == words.reveal_entropy().reveal());
            }
            Err(error) => {
                assert!(MnemonicError::CODES.contains(&error.code()));
                assert!(error.to_string().len() < 200);
            }
        }
    }
    let language =
        mvs_wallet::keys::mnemonic::Language::ALL[usize::from(data.first().map_or(0, |b| b % 10))];
    match Mnemonic::from_entropy(data, language) {
        Ok(words) => {
            assert!(matches!(data.len(), 16 | 20 | 24 | 28 | 32));
            let sentence = words.reveal_sentence();
            let again = Mnemonic::parse(sentence.reveal(), Some(language)).expect("its own words");
            assert!(again.reveal_entropy().reveal() == data);
            assert!(words.to_seed("", TextForm::Standard).reveal() != &[0; 64]);
        }
        Err(error) => assert!(error.code() == "mnemonic.entropy_length"),
    }
}

/// Any text as a keyfile with a known password.
pub(crate) fn keyfile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let password = Password::new("Sample password 1".to_owned()).expect("short and not empty");
    match Keyfile::open(text, &password, Network::Mainnet) {
        Ok(file) => {
            if let Ok(sealed) = file.seal(&password, Network::Mainnet) {
                let again =
                    Keyfile::open(&sealed, &password, Network::Mainnet).expect("just sealed");
                assert!(again.index == file.index && again.multisigs == file.multisigs);
                assert!(again.scripts == file.scripts);
            }
        }
        Err(error) => {
            assert!(KeyfileError::CODES.contains(&error.code()));
            assert!(error.to_string().len() < 300);
        }
    }
}

/// Any bytes as a keystore without its password, and as the record in it.
pub(crate) fn keystore_header(data: &[u8]) {
    match Header::parse(data) {
        Ok(header) => {
            assert!(header.params.check().is_ok());
            assert!(header.to_disk() == data[..offset::SEALED]);
        }
        Err(error) => assert!(KeystoreError::CODES.contains(&error.code())),
    }
    match Vault::from_disk(data) {
        Ok(vault) => {
            let again = vault.to_disk().expect("it was read");
            assert!(again.reveal().len() == data.len());
        }
        Err(error) => assert!(RecordError::CODES.contains(&error.code())),
    }
}
