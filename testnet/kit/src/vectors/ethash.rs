//! Ethash: sizes, seeds, light caches, dataset items, whole hashes with what lies between, Keccak
//! and boundaries. All but the sizes is computed on every code path that the machine has; a failure
//! names the path.
//!
//! An object may hold several of these, such as an epoch with sizes, seed and cache.

use ethnum::U256;
use mvs_pow::{
    Attempt, Backend, Epoch, LightCache, PowError, Seal, Work, boundary, hashimoto_light,
    hashimoto_light_many, keccak256, keccak512, quick_check, trace_light, verify, verify_many,
};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::Header;
use serde_json::Value;

use super::fields::{get, has_any, to_number};
use super::report::{Case, Report};
use super::{Claim, Kind};

mod caches;

pub(super) const KIND: Kind = Kind { name: "ethash", detect, check };

/// What says which epoch a vector is about.
const EPOCH_KEYS: &[&str] = &["epoch", "block_number", "height"];
/// What a vector may say about an epoch.
const SIZES: &[&str] = &["cache_bytes", "dataset_bytes", "cache_items", "dataset_items"];
const SEEDS: &[&str] = &["seed", "seed_hash"];
const CACHES: &[&str] = &["keccak256_of_cache", "first_item", "last_item"];
const ITEMS: &[&str] = &["half0", "half1", "page"];
const RESULTS: &[&str] = &["mix_hash", "final_hash", "seed512", "page_indices", "valid"];
const SEAL_HASH: &[&str] = &["header_hash", "seal_hash"];
/// The boundary of this chain, and the one that the rest of the family uses.
const BOUNDARIES: &[&str] = &["boundary_mvs", "boundary", "boundary_floor_2p256"];

/// Seals are evaluated alone and this many side by side, to reach the kernels' width and a rest.
const SIDE_BY_SIDE: usize = 17;

fn detect(value: &Value) -> Claim {
    if !value.is_object() {
        return Claim::Nothing;
    }
    let is_of_epoch = has_any(value, EPOCH_KEYS)
        && (has_any(value, SIZES)
            || has_any(value, SEEDS)
            || has_any(value, CACHES)
            || (has_any(value, &["index128"]) && has_any(value, ITEMS)));
    if is_of_epoch || is_hash(value) || is_keccak(value) || is_boundary(value) {
        Claim::Whole
    } else if !items_by_epoch(value).is_empty() {
        Claim::Members(&[])
    } else {
        Claim::Nothing
    }
}

fn is_hash(value: &Value) -> bool {
    has_any(value, SEAL_HASH) && has_any(value, &["nonce"]) && has_any(value, RESULTS)
}

fn is_keccak(value: &Value) -> bool {
    has_any(value, &["n", "message_hex"]) && has_any(value, &["keccak256", "keccak512"])
}

fn is_boundary(value: &Value) -> bool {
    has_any(value, &["difficulty"]) && has_any(value, BOUNDARIES) && !is_hash(value)
}

fn check(value: &Value, report: &mut Report) {
    let by_epoch = items_by_epoch(value);
    if !by_epoch.is_empty() {
        for (key, epoch, is_first) in by_epoch {
            report.case(&format!(".{key}"), |case| {
                let check = |case: &mut Case, cache: &caches::Built| {
                    case.hex(value, key, if is_first { &cache.first } else { &cache.last });
                };
                if let Some(epoch) = epoch_of(case, epoch) {
                    on_built(epoch, case, check);
                }
            });
        }
        return;
    }
    report.case("", |case| {
        if is_keccak(value) {
            check_keccak(value, case);
        }
        if is_boundary(value) {
            check_boundary(value, case);
        }
        if is_hash(value) {
            check_hash(value, case);
        }
        if let Some(epoch) = epoch(value, case) {
            check_sizes(value, epoch, case);
            check_cache(value, epoch, case);
            check_items(value, epoch, case);
        }
    });
}

/// Finds keys such as `epoch0_first_item`: the key, the epoch, and whether it is the first item.
fn items_by_epoch(value: &Value) -> Vec<(&str, u64, bool)> {
    let parse = |key: &str| {
        let (number, which) = key.strip_prefix("epoch")?.split_once('_')?;
        let is_first = match which {
            "first_item" => true,
            "last_item" => false,
            _ => return None,
        };
        Some((number.parse().ok()?, is_first))
    };
    let keys = value.as_object().into_iter().flat_map(|members| members.keys());
    keys.filter_map(|key| parse(key).map(|(epoch, is_first)| (key.as_str(), epoch, is_first)))
        .collect()
}

/// Reads the epoch that a vector is about; a problem if there is one and it is out of range.
fn epoch(value: &Value, case: &mut Case) -> Option<Epoch> {
    let stated = get(value, "epoch").map(|epoch| ("epoch", epoch, 1));
    let block = || get(value, "block_number").map(|block| ("block_number", block, 30_000));
    let height = || get(value, "height").map(|height| ("height", height, 30_000));
    let (key, number, blocks) = stated.or_else(block).or_else(height)?;
    let Some(number) = to_number(number).and_then(|number| u64::try_from(number).ok()) else {
        case.fail(format!("{key} is no number of 64 bits: {number}"));
        return None;
    };
    epoch_of(case, number / blocks)
}

fn epoch_of(case: &mut Case, number: u64) -> Option<Epoch> {
    let epoch = Epoch::new(number);
    epoch.map_err(|error| case.fail(format!("{error} [{}]", error.code()))).ok()
}

/// Runs a check on the machine's code paths, naming the one that failed.
fn on_each(case: &mut Case, mut check: impl FnMut(Backend, &mut Case) -> Result<(), PowError>) {
    for backend in Backend::available() {
        case.named(backend.name(), |case| {
            if let Err(error) = check(backend, case) {
                case.fail(format!("{error} [{}]", error.code()));
            }
        });
    }
}

/// Runs a check on the epoch's light cache as each code path sees it.
fn on_cache(
    epoch: Epoch,
    case: &mut Case,
    mut check: impl FnMut(&LightCache, &mut Case) -> Result<(), PowError>,
) {
    match caches::get(epoch) {
        Ok(cache) => on_each(case, |backend, case| check(&cache.on(backend)?, case)),
        Err(error) => case.fail(error),
    }
}

/// Runs a check on what each code path generates as the epoch's light cache.
fn on_built(epoch: Epoch, case: &mut Case, check: impl Fn(&mut Case, &caches::Built)) {
    for backend in Backend::available() {
        case.named(backend.name(), |case| match caches::built(epoch, backend) {
            Ok(built) => check(case, &built),
            Err(error) => case.fail(error),
        });
    }
}

fn check_sizes(value: &Value, epoch: Epoch, case: &mut Case) {
    case.number(value, "cache_bytes", epoch.cache_bytes());
    case.number(value, "dataset_bytes", epoch.dataset_bytes());
    case.number(value, "cache_items", epoch.cache_items());
    case.number(value, "dataset_items", epoch.dataset_items());
    for key in SEEDS {
        if let Some(seed) = case.array::<32>(value, key) {
            case.hex(value, key, &epoch.seed());
            let found = Epoch::from_seed(&seed);
            case.that(found.as_ref().is_ok_and(|found| *found == epoch), || {
                format!("{key} is that of {found:?}")
            });
        }
    }
}

fn check_cache(value: &Value, epoch: Epoch, case: &mut Case) {
    if has_any(value, CACHES) {
        on_built(epoch, case, |case, built| {
            case.hex(value, "keccak256_of_cache", &built.keccak256);
            case.hex(value, "first_item", &built.first);
            case.hex(value, "last_item", &built.last);
        });
    }
}

/// Dataset items: pages of 128 bytes, as a whole or in two halves.
fn check_items(value: &Value, epoch: Epoch, case: &mut Case) {
    let Some(index) = get(value, "index128").filter(|_| has_any(value, ITEMS)) else { return };
    let Some(index) = to_number(index).and_then(|index| u32::try_from(index).ok()) else {
        return case.fail(format!("index128 is no number of 32 bits: {index}"));
    };
    on_cache(epoch, case, |cache, case| {
        let page = cache.dataset_page(index)?;
        case.hex(value, "half0", &page[..64]);
        case.hex(value, "half1", &page[64..]);
        case.hex(value, "page", &page);
        let many = cache.dataset_pages(&[index; SIDE_BY_SIDE])?;
        case.that(many.iter().all(|other| *other == page), || "other pages in a batch".into());
        Ok(())
    });
}

fn check_keccak(value: &Value, case: &mut Case) {
    let message = match case.bytes(value, "message_hex") {
        Some(message) => message,
        // The bytes 0, 1, 2 and so on, modulo 256.
        None => match get(value, "n").and_then(to_number).and_then(|n| u16::try_from(n).ok()) {
            Some(length) => (0..length).map(|index| index.to_le_bytes()[0]).collect(),
            None => return case.fail("n is no length up to 65,535"),
        },
    };
    let (short, long) = (keccak256(&message), keccak512(&message));
    case.hex(value, "keccak256", &short);
    case.hex(value, "keccak512", &long);
    on_each(case, |backend, case| {
        let messages = [message.as_slice(); SIDE_BY_SIDE];
        let all_short = backend.keccak256_many(&messages)?;
        let all_long = backend.keccak512_many(&messages)?;
        case.that(all_short == [short; SIDE_BY_SIDE], || "keccak256 differs".to_owned());
        case.that(all_long == [long; SIDE_BY_SIDE], || "keccak512 differs".to_owned());
        Ok(())
    });
}

/// Both conventions: ours divides 2^256 - 1; the family's divides 2^256 and gives its largest value
/// for 0 and 1.
fn check_boundary(value: &Value, case: &mut Case) {
    let Some(difficulty) = difficulty(value, "difficulty", case) else { return };
    let ours = boundary(difficulty);
    case.hex(value, "boundary_mvs", &ours);
    case.hex(value, "boundary", &ours);
    case.equal(
        "boundary of the header type",
        &hex::encode(ours),
        &hex::encode(Difficulty::new(difficulty).boundary().to_be_bytes()),
    );
    let quotient = U256::from_be_bytes(ours);
    let family = match difficulty {
        U256::ZERO | U256::ONE => U256::MAX,
        // The two quotients differ, by one, exactly when the difficulty divides 2^256.
        _ if difficulty.is_power_of_two() => quotient + U256::ONE,
        _ => quotient,
    };
    case.hex(value, "boundary_floor_2p256", &family.to_be_bytes());
}

/// Reads a difficulty: 32 bytes of hex, or a number.
fn difficulty(value: &Value, key: &str, case: &mut Case) -> Option<U256> {
    let stated = get(value, key)?;
    let is_bytes = stated.as_str().is_some_and(|text| text.len() == 64);
    if is_bytes {
        return case.array(value, key).map(U256::from_be_bytes);
    }
    let number = to_number(stated);
    if number.is_none() {
        case.fail(format!("{key} is no difficulty: {stated}"));
    }
    number
}

/// Reads a nonce: a JSON number, or 8 bytes of hex, the most significant first.
fn nonce(value: &Value, case: &mut Case) -> Option<u64> {
    let stated = get(value, "nonce")?;
    match stated.as_u64() {
        Some(number) => Some(number),
        None => case.array(value, "nonce").map(u64::from_be_bytes),
    }
}

fn check_hash(value: &Value, case: &mut Case) {
    let Some(epoch) = epoch(value, case) else {
        return case.fail("nothing says which epoch it is of");
    };
    let seal_hash = SEAL_HASH.iter().find_map(|key| case.array::<32>(value, key));
    let (Some(seal_hash), Some(nonce)) = (seal_hash, nonce(value, case)) else { return };
    let attempt = Attempt { seal_hash, nonce };
    let limit = match case.array::<32>(value, "boundary") {
        Some(limit) => Some(limit),
        None => difficulty(value, "difficulty", case).map(boundary),
    };
    let is_valid = get(value, "valid").and_then(Value::as_bool).unwrap_or(true);
    on_cache(epoch, case, |cache, case| {
        let seal = hashimoto_light(cache, &attempt);
        if is_valid {
            case.hex(value, "mix_hash", &seal.mix_hash);
            case.hex(value, "final_hash", &seal.final_hash);
            check_trace(value, cache, &attempt, case);
        }
        let many = hashimoto_light_many(cache, &[attempt; SIDE_BY_SIDE]);
        case.that(many == [seal; SIDE_BY_SIDE], || "other results in a batch".to_owned());
        check_verdict(value, epoch, &attempt, &seal, limit, is_valid, case, cache);
        Ok(())
    });
}

/// Asks the verification itself, if the vector says what is claimed.
#[expect(clippy::too_many_arguments, reason = "the claim in its parts")]
fn check_verdict(
    value: &Value,
    epoch: Epoch,
    attempt: &Attempt,
    seal: &Seal,
    limit: Option<[u8; 32]>,
    is_valid: bool,
    case: &mut Case,
    cache: &LightCache,
) {
    let Some(mix_hash) = case.array::<32>(value, "mix_hash") else {
        if !is_valid {
            case.fail("it is said to be invalid, but nothing says what is claimed");
        }
        return;
    };
    let work = Work {
        epoch,
        seal_hash: attempt.seal_hash,
        nonce: attempt.nonce,
        mix_hash,
        boundary: limit.unwrap_or([0xff; 32]),
    };
    let verdict = verify(cache, &work);
    let claims_other_result =
        case.array::<32>(value, "final_hash").is_some_and(|claimed| claimed != seal.final_hash);
    let is_good = verdict.is_ok() && !claims_other_result;
    case.that(is_good == is_valid, || format!("said to be valid: {is_valid}, but {verdict:?}"));
    let same = verify_many(cache, &[work; SIDE_BY_SIDE])
        .iter()
        .all(|other| other.is_ok() == verdict.is_ok());
    case.that(same, || "other verdicts in a batch".to_owned());
}

/// What lies between: the seed, the pages read, and the mix after some of the accesses.
fn check_trace(value: &Value, cache: &LightCache, attempt: &Attempt, case: &mut Case) {
    let mixes: Vec<(usize, &str)> = value
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys())
        .filter_map(|key| Some((key.strip_prefix("mix_after_access_")?.parse().ok()?, &**key)))
        .collect();
    if mixes.is_empty() && !has_any(value, &["seed512", "page_indices"]) {
        return;
    }
    let trace = trace_light(cache, attempt);
    case.hex(value, "seed512", &trace.seed512);
    let indices = case.list(value, "page_indices", trace.page_indices.len());
    for (access, (stated, found)) in indices.iter().zip(&trace.page_indices).enumerate() {
        case.that(stated.as_u64() == Some(u64::from(*found)), || {
            format!("page_indices[{access}]: expected {stated}, found {found}")
        });
    }
    for (access, key) in mixes {
        match trace.mixes.get(access) {
            Some(mix) => case.hex(value, key, mix),
            None => case.fail(format!("{key}: there are {} accesses", trace.mixes.len())),
        }
    }
    case.hex(value, "mix_hash", &trace.seal.mix_hash);
    case.hex(value, "final_hash", &trace.seal.final_hash);
}

/// Evaluates the seal of a real header.
pub(super) fn check_seal(header: &Header, final_hash: Option<[u8; 32]>, case: &mut Case) {
    let work = Work::of_header(
        u64::from(header.number.value()),
        *header.seal_hash().as_bytes(),
        header.nonce,
        *header.mix_hash.as_bytes(),
        header.bits.value(),
    );
    let work = match work {
        Ok(work) => work,
        Err(error) => return case.fail(format!("{error} [{}]", error.code())),
    };
    // A seal that fails without a cache is not worth one.
    if let Err(error) = quick_check(&work) {
        return case.fail(format!("{error} [{}]", error.code()));
    }
    let attempt = Attempt { seal_hash: work.seal_hash, nonce: work.nonce };
    on_cache(work.epoch, case, |cache, case| {
        verify(cache, &work)?;
        let seal = hashimoto_light(cache, &attempt);
        case.equal(
            "mix_hash from the cache",
            &hex::encode(work.mix_hash),
            &hex::encode(seal.mix_hash),
        );
        if let Some(stated) = final_hash {
            case.equal(
                "final_hash from the cache",
                &hex::encode(stated),
                &hex::encode(seal.final_hash),
            );
        }
        Ok(())
    });
}
