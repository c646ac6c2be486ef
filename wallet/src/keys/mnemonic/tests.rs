//! Words both ways, the reference vectors, and each way of being wrong.

use proptest::prelude::{any, prop_assert, proptest};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::{Language, Mnemonic, MnemonicError, TextForm, WordCount};

/// `tests/data/README.md` names the origin.
const VECTORS: &str = include_str!("../../../tests/data/bip39.json");

#[test]
fn the_reference_vectors_hold() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["english"].as_array().unwrap();
    assert_eq!(vectors.len(), 24);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let entropy = hex::decode(text("entropy")).unwrap();
        let made = Mnemonic::from_entropy(&entropy, Language::English).unwrap();
        assert_eq!(made.reveal_sentence().reveal(), text("mnemonic"));
        let read = Mnemonic::parse(text("mnemonic"), None).unwrap();
        assert_eq!(read.reveal_entropy().reveal(), entropy);
        let seed = read.to_seed("TREZOR", TextForm::Standard);
        assert_eq!(hex::encode(seed.reveal()), text("seed"));
    }
}

#[test]
fn seeds_are_those_of_the_library_in_every_language() {
    for language in Language::ALL {
        let entropy: Vec<u8> = (0..32).map(|n| n * 7 + language.to_disk()).collect();
        let words = Mnemonic::from_entropy(&entropy, language).unwrap();
        for passphrase in ["", "pass", "Größe ㍍ガバヴァ"] {
            let ours = words.to_seed(passphrase, TextForm::Standard);
            assert_eq!(ours.reveal(), &words.words.to_seed(passphrase), "{language}");
        }
        assert_eq!(Language::from_disk(language.to_disk()), Some(language));
        assert_eq!(Language::from_short_name(language.short_name()), Some(language));
        assert_eq!(language.list(), words.words.language());
    }
}

#[test]
fn composed_text_makes_another_seed_only_where_letters_are_composed() {
    let same = |language| {
        let words = Mnemonic::from_entropy(&[0x5a; 32], language).unwrap();
        let standard = words.to_seed("", TextForm::Standard);
        standard.reveal() == words.to_seed("", TextForm::Composed).reveal()
    };
    assert!(same(Language::English));
    assert!(same(Language::SimplifiedChinese));
    assert!(!same(Language::Japanese));
    assert!(!same(Language::Korean));
}

#[test]
fn case_space_and_unicode_form_do_not_matter() {
    for language in Language::ALL {
        let words = Mnemonic::from_entropy(&[0xa7; 16], language).unwrap();
        let sentence = words.reveal_sentence();
        let composed: String = sentence.reveal().nfc().collect();
        for text in [
            composed.to_uppercase(),
            composed.replace(' ', "\u{3000}"),
            format!("\n {}\t", composed.replace(' ', " \r\n")),
        ] {
            let read = Mnemonic::parse(&text, Some(language)).unwrap();
            assert_eq!(read.reveal_entropy().reveal(), &[0xa7; 16], "{language}");
        }
    }
}

#[test]
fn each_way_of_being_wrong_is_told() {
    let parse = |text: &str, language| Mnemonic::parse(text, language).unwrap_err();
    assert_eq!(parse("", None), MnemonicError::WordCount { found: 0 });
    let eleven = "abandon ".repeat(11);
    assert_eq!(parse(&eleven, None), MnemonicError::WordCount { found: 11 });
    assert_eq!(parse(&"abandon ".repeat(24), None), MnemonicError::Checksum);
    assert_eq!(parse(&"abandon ".repeat(1000), None), MnemonicError::TooLong);

    let error = parse(&format!("{eleven} abuot"), None);
    let MnemonicError::UnknownWord { position, language, nearest } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*position, *language), (12, Language::English));
    assert_eq!(nearest.unwrap().reveal(), "about");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("about") && !text.contains("abuot"), "{text}");
    }

    let italian = Mnemonic::from_entropy(&[3; 16], Language::Italian).unwrap();
    let error = parse(italian.reveal_sentence().reveal(), Some(Language::English));
    let found = Language::Italian;
    assert_eq!(error, MnemonicError::WrongLanguage { expected: Language::English, found });

    assert_eq!(
        Mnemonic::from_entropy(&[0; 17], Language::English).unwrap_err(),
        MnemonicError::EntropyLength { found: 17 }
    );
}

#[test]
fn generated_words_have_their_number() {
    for (count, words) in [
        (WordCount::Twelve, 12),
        (WordCount::Fifteen, 15),
        (WordCount::Eighteen, 18),
        (WordCount::TwentyOne, 21),
        (WordCount::default(), 24),
    ] {
        let one = Mnemonic::generate(count, Language::English).unwrap();
        assert_eq!((one.word_count(), count.words()), (words, words));
        let other = Mnemonic::generate(count, Language::English).unwrap();
        assert_ne!(one.reveal_entropy().reveal(), other.reveal_entropy().reveal());
        let debug = format!("{one:?}");
        assert_eq!(debug, "Mnemonic(***)");
    }
}

proptest! {
    #[test]
    fn words_both_ways(bytes in any::<[u8; 32]>(), size in 4usize..9, which in 0usize..10) {
        let entropy = &bytes[..size * 4];
        let language = Language::ALL[which];
        let words = Mnemonic::from_entropy(entropy, language).unwrap();
        let again = Mnemonic::parse(words.reveal_sentence().reveal(), Some(language)).unwrap();
        prop_assert!(again.reveal_entropy().reveal() == entropy);
        // Without a hint another list may fit as well, but the seed is the same.
        let any = Mnemonic::parse(words.reveal_sentence().reveal(), None).unwrap();
        prop_assert!(any.reveal_sentence().reveal() == words.reveal_sentence().reveal());
    }

    #[test]
    fn nothing_panics(text in ".{0,300}") {
        if let Err(error) = Mnemonic::parse(&text, None) {
            prop_assert!(MnemonicError::CODES.contains(&error.code()));
        }
    }
}
