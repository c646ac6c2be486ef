//! The SIMD paths against the portable one at reduced sizes, where every edge is near.

use super::*;
use crate::backend::tested::tested;

fn available() -> Vec<Backend> {
    tested().into_iter().filter(|backend| *backend != Backend::Portable).collect()
}

#[test]
#[cfg_attr(miri, ignore = "nothing to compare with")]
fn caches_built_together_are_those_built_alone() {
    // From the smallest size on, also shorter than the look-ahead.
    for sizes in [vec![2], vec![2, 3], vec![5, 11, 12, 13, 14, 29, 97], vec![13; 8], vec![61; 19]] {
        let plans: Vec<_> =
            sizes.iter().zip(0..).map(|(&n, i)| (Epoch::FIRST, [i; 32], n, 5)).collect();
        let expected = LightCache::generate(Isa::Portable, &plans).unwrap();
        for backend in available() {
            let caches = LightCache::generate(Isa::new(backend).unwrap(), &plans).unwrap();
            for (cache, expected) in caches.iter().zip(&expected) {
                assert_eq!(cache.as_bytes(), expected.as_bytes(), "{backend} {sizes:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "nothing to compare with")]
fn dataset_nodes_at_every_batch_size() {
    for items in [2, 3, 1021] {
        let cache = LightCache::reduced(Backend::Portable, items, 5);
        let indices: Vec<u32> = (0..150u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        let mut expected = vec![Node::default(); indices.len()];
        Isa::Portable.dataset_nodes(cache.table(), &indices, &mut expected);
        for backend in available() {
            for count in (0..80).chain([127, 128, 129, 150]) {
                let mut nodes = vec![Node::default(); count];
                let isa = Isa::new(backend).unwrap();
                isa.dataset_nodes(cache.table(), &indices[..count], &mut nodes);
                assert_eq!(nodes, expected[..count], "{backend} {count}");
            }
        }
    }
}

#[test]
fn portable_cache_and_page() {
    let cache = LightCache::reduced(Backend::Portable, 13, 5);
    assert_eq!(cache.as_bytes().len(), 13 * 64);
    let pages = cache.dataset_pages(&[0, 1, 2, 0x7fff_ffff]).unwrap();
    assert_eq!(pages[3], cache.dataset_page(0x7fff_ffff).unwrap());
    assert_eq!(cache.dataset_page(1 << 31).unwrap_err().code(), "pow.dataset.page_out_of_range");
}
