//! Work for miners and pools (rpc.md 6).

use std::sync::Arc;

use mvs_pow::{Epoch, boundary};
use mvs_primitives::hash::{MixHash, SealHash};
use serde_json::{Value, json};

use super::error::RpcError;
use super::source::Source;
use super::{Context, Version};
use crate::mining::WorkTemplate;

/// Clients of version 2 combine their nonces with this number.
const V2_NONCE_MASK: u64 = 0x6675_636b_6d65_7461;

/// Reads a nonce; `None` when it is none of the version.
fn read_nonce(version: Version, text: &str) -> Option<u64> {
    let stripped = text.strip_prefix("0x");
    let digits = match version {
        Version::V2 => stripped.unwrap_or(text),
        Version::V3 => stripped?,
    };
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let nonce = u64::from_str_radix(is_hex.then_some(digits)?, 16).ok()?;
    Some(match version {
        Version::V2 => nonce ^ V2_NONCE_MASK,
        Version::V3 => nonce,
    })
}

/// Reads `0x` and 64 digits.
fn read_digest<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.strip_prefix("0x")?.parse().ok()
}

impl<S: Source> Context<'_, S> {
    pub(super) fn work(&self) -> Result<Arc<WorkTemplate>, RpcError> {
        self.source.work().map_err(|error| RpcError::setting_missing(error.to_string()))
    }

    pub(super) fn get_work(&self) -> Result<Value, RpcError> {
        let work = self.work()?;
        let epoch = Epoch::of_block(u64::from(work.height().value()));
        let seed = epoch.map_err(|error| RpcError::untyped(error.to_string()))?.seed();
        let boundary = boundary(work.header().bits.value());
        Ok(json!([
            format!("0x{}", work.seal_hash()),
            format!("0x{}", hex::encode(seed)),
            format!("0x{}", hex::encode(boundary)),
        ]))
    }

    /// Answers `false` to whatever is no solution of work that was given out.
    pub(super) fn submit_work(&self) -> Result<Value, RpcError> {
        let text = self.args.needed("NONCE");
        let nonce = read_nonce(self.version, text)
            .ok_or_else(|| RpcError::not_legal(format!("nonce '{text:.80}' is not legal")))?;
        let work = self.args.needed("HEADERHASH");
        // The first node compares texts, so it knows no upper case.
        let is_plain = !work.bytes().any(|byte| byte.is_ascii_uppercase());
        let work: Option<SealHash> = read_digest(work).filter(|_| is_plain);
        let mix_hash: Option<MixHash> = read_digest(self.args.needed("MIXHASH"));
        let (Some(work), Some(mix_hash)) = (work, mix_hash) else { return Ok(json!(false)) };
        Ok(json!(self.source.submit_work(work, nonce, mix_hash)?))
    }

    /// Pools send this before they ask for work; it succeeds when they name the address that is paid
    /// anyhow.
    pub(super) fn set_mining_account(&self) -> Result<Value, RpcError> {
        let mining = self.source.mining();
        let address = self.args.needed("PAYMENT_ADDRESS");
        let asset = self.args.text("symbol").unwrap_or_default();
        let is_set = address == mining.payment_address && asset == mining.asset;
        if is_set && !address.is_empty() {
            return Ok(json!(format!("setting address [{address}] successfully.")));
        }
        Err(RpcError::use_the_configuration("the address that blocks pay"))
    }

    pub(super) fn get_mining_info(&self) -> Result<Value, RpcError> {
        let mining = self.source.mining();
        let height = self.snapshot.tip().height.to_string();
        let (rate, difficulty) = (mining.hash_rate.to_string(), self.difficulty()?);
        Ok(match self.version {
            Version::V2 => json!({
                "mining-info": {
                    "difficulty": difficulty,
                    "height": height,
                    "is-mining": mining.is_mining,
                    "rate": rate,
                }
            }),
            Version::V3 => json!({
                "block_type": "pow",
                "difficulty": difficulty,
                "height": height,
                "is_mining": mining.is_mining,
                "mining_mst": mining.asset,
                "payment_address": mining.payment_address,
                "rate": rate,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::read_nonce;

    #[test]
    fn nonces_of_both_versions() {
        assert_eq!(read_nonce(Version::V3, "0x00000000000000ff"), Some(255));
        assert_eq!(read_nonce(Version::V3, "ff"), None);
        assert_eq!(read_nonce(Version::V2, "6675636b6d657461"), Some(0));
        assert_eq!(read_nonce(Version::V2, "0x6675636b6d657460"), Some(1));
        for text in ["", "0x", "+1", "0x11112222333344445", "zz"] {
            assert_eq!(read_nonce(Version::V2, text), None, "{text}");
        }
    }
}
