//! Keys and values as bytes.

/// How keys and values are written.
///
/// # Examples
///
/// Names of accounts, and balances:
///
/// ```
/// use pleach_redb::Codec;
///
/// struct Accounts;
///
/// impl Codec<String, u64> for Accounts {
///     fn key<'k>(&self, key: &'k String) -> impl AsRef<[u8]> + 'k {
///         key.as_bytes()
///     }
///     fn read_key(&self, bytes: &[u8]) -> Option<String> {
///         String::from_utf8(bytes.to_vec()).ok()
///     }
///     fn value<'v>(&self, value: &'v u64) -> impl AsRef<[u8]> + 'v {
///         value.to_le_bytes()
///     }
///     fn read_value(&self, bytes: &[u8]) -> Option<u64> {
///         bytes.try_into().ok().map(u64::from_le_bytes)
///     }
/// }
///
/// assert_eq!(Accounts.key(&"alice".to_owned()).as_ref(), b"alice");
/// ```
pub trait Codec<K, V>: Send + Sync {
    /// A key as bytes, which have the order of the keys: as if they were compared as `[u8]`.
    fn key<'k>(&self, key: &'k K) -> impl AsRef<[u8]> + 'k;

    /// The key of these bytes, if there is one.
    fn read_key(&self, bytes: &[u8]) -> Option<K>;

    /// A value as bytes.
    fn value<'v>(&self, value: &'v V) -> impl AsRef<[u8]> + 'v;

    /// The value of these bytes, if there is one.
    fn read_value(&self, bytes: &[u8]) -> Option<V>;
}

/// Numbers without a sign, as keys and as values, of as many bytes as they have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Integers;

/// A number that [`Integers`] can write. Others cannot be one.
pub trait Integer: Sized + sealed::Integer {}

mod sealed {
    pub trait Integer: Sized {
        /// The most significant byte comes first, so that the order is theirs.
        fn write(&self) -> impl AsRef<[u8]> + 'static;
        fn read(bytes: &[u8]) -> Option<Self>;
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Integer for $integer {}

        impl sealed::Integer for $integer {
            fn write(&self) -> impl AsRef<[u8]> + 'static {
                self.to_be_bytes()
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_be_bytes)
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, u128);

impl<K: Integer, V: Integer> Codec<K, V> for Integers {
    fn key<'k>(&self, key: &'k K) -> impl AsRef<[u8]> + 'k {
        key.write()
    }

    fn read_key(&self, bytes: &[u8]) -> Option<K> {
        K::read(bytes)
    }

    fn value<'v>(&self, value: &'v V) -> impl AsRef<[u8]> + 'v {
        value.write()
    }

    fn read_value(&self, bytes: &[u8]) -> Option<V> {
        V::read(bytes)
    }
}
