//! `chain-spec`: prints, checks and makes the rules of a chain.

use std::io::Write as _;

use anyhow::Context as _;
use mvs_consensus::params::Params;
use mvs_consensus::params::chain_spec::ChainSpec;
use mvs_primitives::hash::sha256;

use super::args::SpecOrder;
use super::setup;
use crate::config::Config;

pub(super) fn run(config: &Config, order: SpecOrder) -> anyhow::Result<()> {
    match order {
        SpecOrder::Print => say_text!(ChainSpec::to_toml(&setup::params(config)?)?),
        SpecOrder::Validate { file } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let params = ChainSpec::parse(&text)?;
            say!(
                "{}: chain {:?}, genesis {}",
                file.display(),
                params.name,
                params.genesis.header.hash()
            );
        }
        SpecOrder::Create { file, name, magic, pos_height } => {
            let text = private_chain(&name, magic, pos_height)?;
            let mut out = std::fs::File::create_new(&file)
                .with_context(|| format!("cannot make {}", file.display()))?;
            out.write_all(text.as_bytes())?;
            say!("{}: chain {name:?}", file.display());
        }
    }
    Ok(())
}

/// Every rule of a private chain: the devnet's, with a magic of its own.
fn private_chain(
    name: &str,
    magic: Option<u32>,
    pos_height: Option<u32>,
) -> anyhow::Result<String> {
    let magic = magic.unwrap_or_else(|| magic_of(name));
    let mut short = format!(
        "name = {}\nbase = \"devnet\"\nmagic = {magic}\n",
        toml::Value::String(name.to_owned())
    );
    if let Some(height) = pos_height {
        short.push_str(&format!("pos_enabled_height = {height}\n"));
    }
    let params: Params = ChainSpec::parse(&short)?;
    Ok(ChainSpec::to_toml(&params)?)
}

/// A magic that two chains of different names hardly share, above the range of ASCII.
fn magic_of(name: &str) -> u32 {
    let [a, b, c, d, ..] = sha256(name.as_bytes());
    u32::from_le_bytes([a | 0x80, b | 0x80, c | 0x80, d | 0x80])
}

#[cfg(test)]
mod tests {
    use super::private_chain;
    use mvs_consensus::params::chain_spec::ChainSpec;

    #[test]
    fn a_private_chain_is_read_back() {
        let params = ChainSpec::parse(&private_chain("mine", None, Some(77)).unwrap()).unwrap();
        assert_eq!((params.name.as_str(), params.pos_enabled_height), ("mine", 77));
        let other = ChainSpec::parse(&private_chain("yours", None, None).unwrap()).unwrap();
        assert_ne!(params.magic, other.magic);
        assert!(params.seeds.is_empty());
        assert!(private_chain("mainnet", None, None).is_err());
    }
}
