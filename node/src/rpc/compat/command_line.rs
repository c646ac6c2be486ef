//! Words of a command line into arguments by name (rpc.md 2).
//!
//! The first node reads them like a program's command line: `--name value`, `--name=value`,
//! `-n value`, and what is left by its place. A word that begins with `-` where no value is due is an
//! option, so a negative positional is an unknown one.

use std::collections::BTreeMap;
use std::ops::Range;

use mvs_primitives::hash::{BlockHash, TxId};

use super::error::RpcError;
use super::numbers::{read_bool, read_range, read_u32, read_u64};
use super::table::Entry;

/// Arguments by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Args {
    values: BTreeMap<&'static str, String>,
}

/// What an option's name stands for.
struct Known {
    name: &'static str,
    is_flag: bool,
}

fn long(entry: &'static Entry, name: &str) -> Option<Known> {
    let option = entry.options.iter().find(|option| option.long == name);
    let option = option.map(|option| Known { name: option.long, is_flag: option.is_flag });
    option.or_else(|| {
        let positional = entry.positionals.iter().find(|positional| positional.name == name)?;
        Some(Known { name: positional.name, is_flag: false })
    })
}

fn short(entry: &'static Entry, letter: char) -> Option<Known> {
    let option = entry.options.iter().find(|option| option.short == letter)?;
    Some(Known { name: option.long, is_flag: option.is_flag })
}

/// Tells whether a word is an option by its form.
fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && word != "--"
}

/// Finds the option that a word names, and the value that is glued to it by `=`.
fn named(entry: &'static Entry, word: &str) -> Option<(Known, Option<String>)> {
    if let Some(rest) = word.strip_prefix("--") {
        let (name, glued) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (rest, None),
        };
        return Some((long(entry, name)?, glued));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    letters.next().is_none().then_some(())?;
    Some((short(entry, letter)?, None))
}

/// Tells whether a word asks for help.
fn is_help(word: &str) -> bool {
    matches!(word, "--help" | "-h")
}

impl Args {
    /// Reads the words; `None` when they ask for help.
    pub(super) fn parse(
        entry: &'static Entry,
        tokens: Vec<String>,
    ) -> Result<Option<Self>, RpcError> {
        let mut args = Self::default();
        let mut places = entry.positionals.iter();
        let mut words = tokens.into_iter().peekable();
        let mut only_places = false;
        while let Some(word) = words.next() {
            if word == "--" && !only_places {
                only_places = true;
            } else if !only_places && is_help(&word) {
                return Ok(None);
            } else if !only_places && is_option(&word) {
                let unknown = || RpcError::command_line(format!("unrecognised option '{word}'"));
                let (known, glued) = named(entry, &word).ok_or_else(unknown)?;
                let value = match (known.is_flag, glued) {
                    (true, None) => String::new(),
                    (true, Some(_)) => {
                        let text = format!("option '--{}' takes no argument", known.name);
                        return Err(RpcError::command_line(text));
                    }
                    (false, Some(value)) => value,
                    // A word that begins with a dash is a value unless it names an option.
                    (false, None) => words
                        .next_if(|next| named(entry, next).is_none() && !is_help(next))
                        .ok_or_else(|| {
                            let name = known.name;
                            let text =
                                format!("the required argument for option '--{name}' is missing");
                            RpcError::command_line(text)
                        })?,
                };
                args.put(known.name, value)?;
            } else {
                let place = places.next().ok_or_else(|| {
                    RpcError::command_line(
                        "too many positional options have been specified on the command line",
                    )
                })?;
                args.put(place.name, word)?;
            }
        }
        for positional in entry.positionals.iter().filter(|positional| positional.required) {
            if !args.values.contains_key(positional.name) {
                let name = positional.name;
                let text = format!("the option '--{name}' is required but missing");
                return Err(RpcError::command_line(text));
            }
        }
        Ok(Some(args))
    }

    fn put(&mut self, name: &'static str, value: String) -> Result<(), RpcError> {
        match self.values.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(RpcError::command_line(format!(
                "option '--{name}' cannot be specified more than once"
            ))),
        }
    }

    /// Returns an argument; `None` when it is absent or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Returns an argument that is required, empty or not.
    pub(super) fn needed(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Tells whether a flag is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, RpcError> {
        let Some(text) = self.values.get(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| RpcError::argument(name, text))
    }

    pub(super) fn bool(&self, name: &str, default: bool) -> Result<bool, RpcError> {
        Ok(self.read(name, read_bool)?.unwrap_or(default))
    }

    pub(super) fn u32(&self, name: &str) -> Result<Option<u32>, RpcError> {
        self.read(name, read_u32)
    }

    pub(super) fn u64(&self, name: &str) -> Result<Option<u64>, RpcError> {
        self.read(name, read_u64)
    }

    pub(super) fn range(&self, name: &str) -> Result<Option<Range<u64>>, RpcError> {
        self.read(name, read_range)
    }

    pub(super) fn block_hash(&self, name: &str) -> Result<Option<BlockHash>, RpcError> {
        self.read(name, |text| text.parse().ok())
    }

    pub(super) fn txid(&self, name: &str) -> Result<TxId, RpcError> {
        self.read(name, |text| text.parse().ok())?
            .ok_or_else(|| RpcError::argument(name, self.needed(name)))
    }

    /// Reads hex bytes.
    pub(super) fn hex(&self, name: &str) -> Result<Vec<u8>, RpcError> {
        let text = self.needed(name);
        hex::decode(text).map_err(|_| RpcError::argument(name, text))
    }
}

/// What `--help` answers.
pub(super) fn usage(entry: &Entry) -> String {
    let name = entry.names.first().copied().unwrap_or_default();
    let mut text = format!("Usage: {name}");
    for option in entry.options {
        let value = if option.is_flag { "" } else { " VALUE" };
        text.push_str(&format!(" [--{} | -{}{value}]", option.long, option.short));
    }
    for positional in entry.positionals {
        let name = positional.name;
        let shown = if positional.required { format!(" {name}") } else { format!(" [{name}]") };
        text.push_str(&shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::table::{Entry, Found, find};
    use super::{Args, usage};

    fn entry(name: &str) -> &'static Entry {
        match find(name) {
            Some(Found::Command(entry)) => entry,
            other => panic!("{name} is no command: {other:?}"),
        }
    }

    fn parse(name: &str, words: &[&str]) -> Result<Option<Args>, i32> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Args::parse(entry(name), words).map_err(|error| error.code)
    }

    #[test]
    fn options_are_found_in_every_form() {
        let forms: [&[&str]; 5] = [
            &["--height", "5"],
            &["--height=5"],
            &["-t", "5"],
            &["-t", "+5"],
            &["--height", "5", "-s", "00"],
        ];
        for words in forms {
            let args = parse("getblockheader", words).unwrap().unwrap();
            assert_eq!(args.u32("height").unwrap(), Some(5), "{words:?}");
        }
        let args = parse("getblockheader", &["-t", "-1"]).unwrap().unwrap();
        assert_eq!(args.u32("height").unwrap(), Some(u32::MAX));
        let args = parse("gettx", &["--HASH", "ab"]).unwrap().unwrap();
        assert!(args.txid("HASH").is_err());
    }

    #[test]
    fn what_does_not_fit_is_1021() {
        let wrong: [(&str, &[&str]); 8] = [
            ("getheight", &["a", "b", "c"]),
            ("getheight", &["-5"]),
            ("getheight", &["--nothing"]),
            ("getblock", &[]),
            ("getblockheader", &["--height"]),
            ("getblockheader", &["--height", "1", "--height", "2"]),
            ("getblockheader", &["--height", "-s", "00"]),
            ("getaddressetp", &["A", "--utxo=true"]),
        ];
        for (name, words) in wrong {
            assert_eq!(parse(name, words).map(drop), Err(1_021), "{name} {words:?}");
        }
    }

    #[test]
    fn help_is_a_text() {
        assert!(parse("getblock", &["--help"]).unwrap().is_none());
        assert!(parse("getblock", &["1", "-h"]).unwrap().is_none());
        assert_eq!(usage(entry("getblock")), "Usage: getblock HASH_OR_HEIGH [json] [tx_json]");
    }
}
