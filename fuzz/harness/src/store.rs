//! What the store reads back: coins, workload values, changes of the registry, the whole registry.

mod ops;

use mvs_store::codec::{decode_coin, decode_workload_value, encode_coin, encode_workload_value};
use mvs_store::registry::{Registry, RegistryDelta};

pub(crate) use self::ops::ops;

/// The first byte chooses the reader. Whatever is read is written again as the same bytes.
pub(crate) fn bytes(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let mut again = Vec::new();
    match kind % 5 {
        0 => {
            let Ok(coin) = decode_coin(data) else { return };
            encode_coin(&coin, &mut again);
        }
        1 => {
            let mut value = Vec::new();
            if decode_workload_value(data, &mut value).is_err() {
                return;
            }
            encode_workload_value(&value, &mut again);
        }
        2 => {
            let mut stored = Vec::new();
            encode_workload_value(data, &mut stored);
            decode_workload_value(&stored, &mut again).expect("every value comes back");
        }
        3 => {
            let Ok(delta) = RegistryDelta::from_disk(data) else { return };
            delta.to_disk(&mut again);
            let mut registry = Registry::new();
            if registry.redo(&delta).is_ok() {
                let digest = registry.digest();
                let read = Registry::from_disk(&registry.to_disk()).expect("it comes back");
                assert_eq!(read.digest(), digest);
                registry.undo(&delta).expect("what was applied can be taken back");
                assert_eq!(registry, Registry::new());
            }
        }
        _ => {
            let Ok(registry) = Registry::from_disk(data) else { return };
            again = registry.to_disk();
        }
    }
    assert_eq!(again, data, "not canonical");
}
