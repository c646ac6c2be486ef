//! Comes with the next commit.

use crate::node::{FillJob, Mix, Node, Page, Table};
use crate::portable;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof(());

impl Proof {
    pub(crate) fn detect() -> Option<Self> {
        None
    }
    pub(crate) fn permute_many(self, states: &mut [[u64; 25]]) {
        portable::permute_many(states);
    }
    pub(crate) fn fill_caches(self, jobs: &mut [FillJob<'_>]) {
        portable::fill_caches(jobs);
    }
    pub(crate) fn dataset_nodes(self, cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
        portable::dataset_nodes(cache, indices, out);
    }
    pub(crate) fn full_mixes(self, dataset: Table<'_, Page>, seeds: &[Node], out: &mut [Mix]) {
        portable::full_mixes(dataset, seeds, out);
    }
}
