//! Finds the system's RocksDB when the feature asks for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "rocksdb")]
    if let Err(error) = pkg_config::probe_library("rocksdb") {
        println!("cargo::error=feature rocksdb needs librocksdb and its pkg-config file: {error}");
    }
}
