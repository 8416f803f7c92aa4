//! What a block changed, as bytes: for each key its length and itself, whether there is a value, and that in the same way.

use pleach::Writes;

use crate::{codec::Codec, error::RedbError};

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

pub(crate) fn write<K, V>(codec: &impl Codec<K, V>, changes: &[(K, Option<V>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut push = |part: &[u8]| {
        // On every platform: a file can be taken to another one.
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    };
    for (key, value) in changes {
        push(codec.key(key).as_ref());
        match value {
            Some(value) => {
                push(&[PRESENT]);
                push(codec.value(value).as_ref());
            }
            None => push(&[ABSENT]),
        }
    }
    bytes
}

/// Gives an error for whatever [`write`] has not written with this codec.
pub(crate) fn read<K, V>(
    codec: &impl Codec<K, V>,
    height: u64,
    mut bytes: &[u8],
) -> Result<Writes<K, V>, RedbError> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let change = read_one(codec, &mut bytes)
            .ok_or_else(|| RedbError::corrupt(format!("the record of height {height}")))?;
        changes.push(change);
    }
    Ok(changes)
}

fn read_one<K, V>(codec: &impl Codec<K, V>, bytes: &mut &[u8]) -> Option<(K, Option<V>)> {
    let key = codec.read_key(part(bytes)?)?;
    let value = match part(bytes)? {
        [ABSENT] => None,
        [PRESENT] => Some(codec.read_value(part(bytes)?)?),
        _ => return None,
    };
    Some((key, value))
}

fn part<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Integers;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let changes = vec![(1_u16, Some(7_u64)), (2, None), (3, Some(u64::MAX))];
        let bytes = write(&Integers, &changes);
        assert_eq!(read(&Integers, 1, &bytes).unwrap(), changes);
        for end in 1..bytes.len() {
            let short = read::<u16, u64>(&Integers, 1, &bytes[..end]);
            // Whole changes are a record too.
            if let Ok(short) = short {
                assert!(changes.starts_with(&short) && short.len() < changes.len());
            }
        }
        let mut long = bytes.clone();
        long[0] = 0xff;
        let error = read::<u16, u64>(&Integers, 9, &long).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the record of height 9 cannot be decoded"
        );
        assert!(read::<u32, u64>(&Integers, 1, &bytes).is_err());
    }
}
