//! Keccak over many messages at a time.

use crate::backend::Isa;
use crate::keccak::squeeze;

/// Messages absorbed side by side; a multiple of every code path's lanes.
const GROUP: usize = 8;

/// Digests of all messages. Neighbours of equal length go through the sponge together.
pub(crate) fn hash_many<const N: usize>(isa: Isa, messages: &[&[u8]], rate: usize) -> Vec<[u8; N]> {
    let same_length = messages.chunk_by(|a, b| a.len() == b.len());
    same_length
        .flat_map(|run| run.chunks(GROUP))
        .flat_map(|group| {
            let states = absorb_group(isa, group, rate);
            (0..group.len()).map(move |i| squeeze(&states[i]))
        })
        .collect()
}

/// Absorbs up to [`GROUP`] messages of one length.
fn absorb_group(isa: Isa, messages: &[&[u8]], rate: usize) -> [[u64; 25]; GROUP] {
    let mut states = [[0; 25]; GROUP];
    let used = &mut states[..messages.len()];
    let length = messages[0].len();
    for block in 0..length / rate {
        for (state, message) in used.iter_mut().zip(messages) {
            xor_block(state, &message[block * rate..][..rate]);
        }
        isa.permute_many(used);
    }
    for (state, message) in used.iter_mut().zip(messages) {
        xor_padded(state, &message[length / rate * rate..], rate);
    }
    isa.permute_many(used);
    states
}

/// Mixes a block, whose length is a multiple of 8, into the state.
pub(crate) fn xor_block(state: &mut [u64; 25], block: &[u8]) {
    for (lane, word) in state.iter_mut().zip(block.as_chunks().0) {
        *lane ^= u64::from_le_bytes(*word);
    }
}

/// Mixes the message's last bytes, fewer than a block, and the padding into the state.
pub(crate) fn xor_padded(state: &mut [u64; 25], tail: &[u8], rate: usize) {
    let mut last = [0; crate::keccak::RATE_256];
    last[..tail.len()].copy_from_slice(tail);
    last[tail.len()] |= 0x01;
    last[rate - 1] |= 0x80;
    xor_block(state, &last[..rate]);
}
