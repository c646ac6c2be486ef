//! Remembers signatures that were found to hold.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bitcoin_hashes::{HashEngine as _, sha256};

/// Digests in one set. A new one takes a free place in its set, or drives out another.
const WAYS: usize = 8;
/// Independently locked parts.
const SHARDS: usize = 64;

type Digest = [u8; 32];
type Set = [Digest; WAYS];
const FREE: Digest = [0; 32];

/// A bounded memory of signatures that were found to hold, shared by mempool and block connection.
///
/// A signature is remembered as `sha256(salt, salt, sighash, key, signature)`. The salt must be
/// secret and random: whoever knows it can choose signatures that drive each other out (but can not
/// make a bad signature pass, which takes a collision of SHA-256).
///
/// # Invariants
/// The memory is taken once and never grows: 32 bytes for each entry.
///
/// # Locking
/// Sixty-four parts with a lock each; a lock is held for one look at eight entries.
pub struct SigCache {
    salted: sha256::HashEngine,
    shards: Box<[Mutex<Box<[Set]>>]>,
    /// Sets of one shard.
    sets: usize,
}

impl SigCache {
    /// Makes a cache for at least this many signatures, rounded up to a power of two, 512 or
    /// more.
    pub fn new(salt: [u8; 32], entries: usize) -> Self {
        let sets = entries.div_ceil(SHARDS * WAYS).max(1).next_power_of_two();
        let shard = || Mutex::new(vec![[FREE; WAYS]; sets].into_boxed_slice());
        let mut salted = sha256::Hash::engine();
        salted.input(&salt);
        salted.input(&salt); // fills one block of SHA-256, which is then hashed once and for all
        Self { salted, shards: (0..SHARDS).map(|_| shard()).collect(), sets }
    }

    /// Returns how many signatures fit.
    pub fn capacity(&self) -> usize {
        SHARDS * WAYS * self.sets
    }

    /// Tells whether a signature was remembered.
    pub fn contains(&self, sighash: &[u8; 32], key: &[u8], signature: &[u8; 64]) -> bool {
        let digest = self.digest(sighash, key, signature);
        self.with_set(&digest, |set, _| set.contains(&digest))
    }

    /// Remembers a signature. Only those that hold may be given.
    pub fn insert(&self, sighash: &[u8; 32], key: &[u8], signature: &[u8; 64]) {
        let digest = self.digest(sighash, key, signature);
        self.with_set(&digest, |set, victim| {
            if set.contains(&digest) {
                return;
            }
            let place = set.iter().position(|entry| *entry == FREE).unwrap_or(victim);
            if let Some(entry) = set.get_mut(place) {
                *entry = digest;
            }
        });
    }

    fn digest(&self, sighash: &[u8; 32], key: &[u8], signature: &[u8; 64]) -> Digest {
        let mut engine = self.salted.clone();
        engine.input(sighash);
        engine.input(signature);
        engine.input(key); // last, as the only part of varying length
        sha256::Hash::from_engine(engine).to_byte_array()
    }

    /// Gives the set that a digest belongs to, and the place in it that is given up when it is full.
    fn with_set<T>(&self, digest: &Digest, look: impl FnOnce(&mut Set, usize) -> T) -> T {
        let [shard, victim, a, b, c, d, ..] = *digest;
        let shard = self
            .shards
            .get(usize::from(shard) % SHARDS)
            .expect("the index is reduced to the number of shards");
        // A panic elsewhere cannot leave half a digest: the entries are whole at every time.
        let mut sets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let index = u32::from_le_bytes([a, b, c, d]) as usize % self.sets; // widening; at least 1 set
        let set = sets.get_mut(index).expect("the index is reduced to the number of sets");
        look(set, usize::from(victim) % WAYS)
    }
}

impl fmt::Debug for SigCache {
    /// Shows neither salt nor entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigCache").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}
