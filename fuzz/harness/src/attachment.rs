//! Attachments: all of them, and each family with a head that always leads to it.

use mvs_primitives::attachment::{Attachment, AttachmentError};

use crate::round_trip;

pub(crate) fn any(data: &[u8]) {
    let Some(attachment) = round_trip::<Attachment>(data) else { return };
    if let Err(error) = attachment.check_valid() {
        assert!(AttachmentError::CODES.contains(&error.code()));
        assert!(error.to_string().len() < 200);
    }
    let _ = attachment.asset();
    let _ = attachment.type_name();
    assert!(
        attachment.nominal_size()
            <= mvs_primitives::encode::Encode::encoded_len(&attachment) as u64
    );
}

/// Puts a head of that type before the body. The first byte of `data` says which version.
fn family(type_number: u32, data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let version: u32 = match first % 4 {
        0 => 1,
        1 => 0,
        _ => 207,
    };
    let mut bytes = Vec::with_capacity(8 + body.len());
    bytes.extend(version.to_le_bytes());
    bytes.extend(type_number.to_le_bytes());
    bytes.extend_from_slice(body);
    any(&bytes);
}

/// Types 0 and 1, and unknown ones.
pub(crate) fn etp(data: &[u8]) {
    family(0, data);
    family(1, data);
    family(7, data);
    family(u32::MAX, data);
}

pub(crate) fn asset(data: &[u8]) {
    family(2, data);
}

pub(crate) fn message(data: &[u8]) {
    family(3, data);
}

pub(crate) fn did(data: &[u8]) {
    family(4, data);
}

pub(crate) fn cert(data: &[u8]) {
    family(5, data);
}

pub(crate) fn mit(data: &[u8]) {
    family(6, data);
}
