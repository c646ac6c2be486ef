//! The light cache of an epoch: enough to compute any page of its dataset.

use std::sync::Arc;

use crate::backend::Isa;
use crate::epoch::PAGE_BYTES;
use crate::node::{FillJob, Node, Reducer, Table};
use crate::pages::NodeBuf;
use crate::{Backend, Epoch, PowError};

/// The light cache of one epoch, and the code path that works on it.
///
/// Clones share the memory.
#[derive(Clone, Debug)]
pub struct LightCache {
    epoch: Epoch,
    isa: Isa,
    dataset: Reducer,
    items: Arc<NodeBuf>,
}

impl LightCache {
    /// Generates the cache of an epoch on the fastest code path. Takes from a third of a second on.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`].
    pub fn build(epoch: Epoch) -> Result<Self, PowError> {
        let mut built = Self::build_with(Isa::best(), &[epoch])?;
        Ok(built.remove(0))
    }

    /// Generates several caches together, in the order given. Per cache this is several times as
    /// fast as one alone where the machine has SIMD, best with 8 epochs that lie close together.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`].
    pub fn build_many(epochs: &[Epoch]) -> Result<Vec<Self>, PowError> {
        Self::build_with(Isa::best(), epochs)
    }

    /// As [`LightCache::build_many`], on a code path of the caller's choice.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`], [`PowError::BackendUnavailable`].
    pub fn build_many_on(backend: Backend, epochs: &[Epoch]) -> Result<Vec<Self>, PowError> {
        Self::build_with(Isa::new(backend)?, epochs)
    }

    pub(crate) fn build_with(isa: Isa, epochs: &[Epoch]) -> Result<Vec<Self>, PowError> {
        let plans: Vec<_> = epochs
            .iter()
            .map(|&epoch| (epoch, epoch.seed(), epoch.cache_items(), epoch.dataset_items()))
            .collect();
        Self::generate(isa, &plans)
    }

    /// Generates caches of any size: (epoch, seed, cache items, dataset items) each.
    fn generate(isa: Isa, plans: &[(Epoch, [u8; 32], u32, u32)]) -> Result<Vec<Self>, PowError> {
        let mut buffers = plans
            .iter()
            .map(|&(_, _, items, _)| NodeBuf::zeroed(items as usize))
            .collect::<Result<Vec<_>, _>>()?;
        let mut jobs: Vec<_> = buffers
            .iter_mut()
            .zip(plans)
            .map(|(buffer, &(_, seed, ..))| FillJob { seed, items: buffer.nodes_mut() })
            .collect();
        isa.fill_caches(&mut jobs);
        let finished = buffers.into_iter().zip(plans).map(|(items, &(epoch, _, _, pages))| Self {
            epoch,
            isa,
            dataset: Reducer::new(pages),
            items: Arc::new(items),
        });
        Ok(finished.collect())
    }

    /// A cache of the real algorithm at a reduced size, for tests that must be quick.
    #[cfg(test)]
    pub(crate) fn reduced(backend: Backend, items: u32, pages: u32) -> Self {
        Self::reduced_of(backend, Epoch::FIRST, items, pages)
    }

    /// The same, of another epoch; its content differs.
    #[cfg(test)]
    pub(crate) fn reduced_of(backend: Backend, epoch: Epoch, items: u32, pages: u32) -> Self {
        let isa = Isa::new(backend).expect("asked for by a test that knows");
        let plan = (epoch, epoch.seed(), items, pages);
        Self::generate(isa, &[plan]).expect("little memory").remove(0)
    }

    /// The same cache, worked on by another code path.
    ///
    /// # Errors
    /// [`PowError::BackendUnavailable`].
    pub fn on(&self, backend: Backend) -> Result<Self, PowError> {
        Ok(Self { isa: Isa::new(backend)?, ..self.clone() })
    }

    /// The epoch it belongs to.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The code path that works on it.
    pub fn backend(&self) -> Backend {
        self.isa.backend()
    }

    /// All items in their wire form.
    pub fn as_bytes(&self) -> &[u8] {
        self.items.bytes()
    }

    /// Computes a page of the dataset, also beyond its end, as far as the arithmetic goes.
    ///
    /// # Errors
    /// [`PowError::PageOutOfRange`] from 2^31 on.
    pub fn dataset_page(&self, page: u32) -> Result<[u8; PAGE_BYTES], PowError> {
        Ok(self.dataset_pages(&[page])?.remove(0))
    }

    /// Computes many pages of the dataset, side by side.
    ///
    /// # Errors
    /// [`PowError::PageOutOfRange`] if one is at 2^31 or above.
    pub fn dataset_pages(&self, pages: &[u32]) -> Result<Vec<[u8; PAGE_BYTES]>, PowError> {
        if let Some(&page) = pages.iter().find(|page| **page >= 1 << 31) {
            return Err(PowError::PageOutOfRange { page });
        }
        let indices: Vec<u32> = pages.iter().flat_map(|page| [2 * page, 2 * page + 1]).collect();
        let mut nodes = vec![Node::default(); indices.len()];
        self.isa.dataset_nodes(self.table(), &indices, &mut nodes);
        Ok(crate::pages::as_bytes(&nodes).as_chunks().0.to_vec())
    }

    pub(crate) fn table(&self) -> Table<'_, Node> {
        Table::new(self.items.nodes())
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Reduces to the number of pages in the dataset of this epoch.
    pub(crate) fn dataset(&self) -> Reducer {
        self.dataset
    }
}

#[cfg(test)]
mod tests;
