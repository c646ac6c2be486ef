//! Makes the key from the password, at a cost.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use crate::keys::secret::Secret;
use crate::keystore::error::KeystoreError;
use crate::password::Password;

/// What Argon2id (RFC 9106, version 0x13) spends on one guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// How many times the memory is gone over.
    pub passes: u32,
    /// Lanes that could be computed side by side.
    pub lanes: u32,
}

impl KdfParams {
    /// The cheapest that is accepted, from a file too: RFC 9106's choice for small machines.
    pub const FLOOR: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };
    /// What the search for good parameters begins with.
    pub const START: Self = Self { memory_kib: 128 << 10, passes: 3, lanes: 1 };
    /// Most memory, 1 GiB: a hostile file must not take all of the machine's.
    pub const MAX_MEMORY_KIB: u32 = 1 << 20;
    /// Most passes.
    pub const MAX_PASSES: u32 = 512;
    /// Most lanes.
    pub const MAX_LANES: u32 = 4;
    /// Most memory times passes, 32 GiB: about half a minute. A hostile file must not take all day.
    pub const MAX_WORK_KIB: u64 = 32 << 20;

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`KeystoreError::Parameters`] names the one that is out of them.
    pub fn check(&self) -> Result<(), KeystoreError> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        let floor = Self::FLOOR;
        let least_work = u64::from(floor.memory_kib) * u64::from(floor.passes);
        for (what, found, least, most) in [
            (
                "memory",
                self.memory_kib.into(),
                floor.memory_kib.into(),
                Self::MAX_MEMORY_KIB.into(),
            ),
            ("number of passes", self.passes.into(), floor.passes.into(), Self::MAX_PASSES.into()),
            ("number of lanes", self.lanes.into(), floor.lanes.into(), Self::MAX_LANES.into()),
            ("memory times passes", work, least_work, Self::MAX_WORK_KIB),
        ] {
            if !(least..=most).contains(&found) {
                return Err(KeystoreError::Parameters { what, found, least, most });
            }
        }
        Ok(())
    }

    /// Returns parameters that take `factor_percent` of the time, in more passes first and in more
    /// memory when the passes reach their bound.
    fn scaled(self, factor_percent: u128) -> Self {
        let passes = (u128::from(self.passes) * factor_percent).div_ceil(100);
        let most = Self::MAX_WORK_KIB / u64::from(self.memory_kib);
        let most = most.min(Self::MAX_PASSES.into());
        let passes = u64::try_from(passes).unwrap_or(most).min(most);
        Self { passes: u32::try_from(passes).unwrap_or(Self::MAX_PASSES), ..self }
    }
}

/// Makes the key.
///
/// # Errors
/// [`KeystoreError::Parameters`] before any memory is taken, [`KeystoreError::Memory`] when there is
/// not enough.
pub(crate) fn stretch(
    password: &Password,
    salt: &[u8; 32],
    params: KdfParams,
) -> Result<Secret<[u8; 32]>, KeystoreError> {
    params.check()?;
    let no_memory = || KeystoreError::Memory { needed_kib: params.memory_kib };
    let argon = Params::new(params.memory_kib, params.passes, params.lanes, Some(32))
        .map_err(|_| no_memory())?;
    let blocks = argon.block_count();
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(blocks).map_err(|_| no_memory())?;
    memory.resize(blocks, Block::default());
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, argon);
    let mut key = Secret::copy_of(&[0; 32]);
    let password = password.normalised();
    let done = argon.hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        key.reveal_mut(),
        &mut memory[..],
    );
    memory.zeroize();
    done.map_err(|_| no_memory())?;
    Ok(key)
}

/// Makes the key with parameters that take at least `least` on this machine, and returns them too.
pub(crate) fn stretch_for(
    password: &Password,
    salt: &[u8; 32],
    least: Duration,
) -> Result<(KdfParams, Secret<[u8; 32]>), KeystoreError> {
    let mut params = KdfParams::START;
    loop {
        let start = Instant::now();
        let key = stretch(password, salt, params)?;
        let took = start.elapsed();
        // A tenth more than measured: the next run may be a little faster.
        let percent = least.as_micros() * 110 / took.as_micros().max(1);
        let next = params.scaled(percent.max(134));
        if took >= least || next == params {
            return Ok((params, key));
        }
        params = next;
    }
}

#[cfg(test)]
mod tests {
    use super::KdfParams;

    #[test]
    fn bounds_hold_on_both_sides() {
        let floor = KdfParams::FLOOR;
        assert!(floor.check().is_ok() && KdfParams::START.check().is_ok());
        for bad in [
            KdfParams { memory_kib: floor.memory_kib - 1, ..floor },
            KdfParams { memory_kib: KdfParams::MAX_MEMORY_KIB + 1, ..floor },
            KdfParams { memory_kib: u32::MAX, ..floor },
            KdfParams { passes: floor.passes - 1, ..floor },
            KdfParams { passes: KdfParams::MAX_PASSES + 1, ..floor },
            KdfParams { passes: u32::MAX, ..floor },
            KdfParams { lanes: 0, ..floor },
            KdfParams { lanes: KdfParams::MAX_LANES + 1, ..floor },
            KdfParams { memory_kib: KdfParams::MAX_MEMORY_KIB, passes: 33, lanes: 1 },
        ] {
            assert_eq!(bad.check().unwrap_err().code(), "keystore.parameters", "{bad:?}");
        }
        let most = KdfParams { memory_kib: KdfParams::MAX_MEMORY_KIB, passes: 32, lanes: 4 };
        assert!(most.check().is_ok());
        for percent in [134, 1000, u128::from(u64::MAX)] {
            assert!(KdfParams::START.scaled(percent).check().is_ok());
        }
    }
}
