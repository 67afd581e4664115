//! Layouts of the target's structures: names, sizes, offsets. Where they come from
//! (DWARF, a table) is not known here.

use std::fmt;

use rustc_hash::FxHashMap;

/// A type in a [`TypeTable`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TypeId(pub(crate) usize);

/// What a type is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// An integer, `uintptr` included.
    Int {
        /// Whether its top bit is a sign.
        signed: bool,
    },
    /// A `bool`.
    Bool,
    /// A pointer of any kind, `unsafe.Pointer`, maps, channels and functions included.
    Pointer,
    /// A struct; strings and slices are structs too (`str`, `len`; `array`, `len`, `cap`).
    Struct {
        /// In the order of their offsets.
        fields: Vec<Field>,
    },
    /// An array.
    Array {
        /// The type of its elements.
        element: TypeId,
        /// How many there are.
        count: u64,
    },
    /// Something that is not needed (floats, say).
    Other,
}

/// A field of a struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its offset in bytes from the start of the struct.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
}

/// A type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Type {
    /// Its name with the package's path: `runtime.g`, `internal/runtime/atomic.Uint32`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it is made of.
    pub shape: Shape,
}

/// A number somewhere in a struct: what a path like `sched.pc` leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scalar {
    /// Its offset in bytes from the start of the outermost struct.
    pub offset: usize,
    /// Its width in bytes: 1, 2, 4 or 8.
    pub width: usize,
    /// Whether it is signed.
    pub signed: bool,
}

/// Why a path leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathError {
    /// A struct of that name is not known.
    #[error("{0}: no such type")]
    NoType(String),
    /// The struct has no such field.
    #[error("{0}: no such field")]
    NoField(String),
    /// What is there is not a number.
    #[error("{path}: expected a number, found {found}")]
    NotANumber {
        /// Type and fields.
        path: String,
        /// What is there instead.
        found: String,
    },
    /// It is, or lies, beyond [`MAX_SIZE`].
    #[error("{0}: larger than anything of the runtime's")]
    TooLarge(String),
}

/// Bytes that a struct of the runtime has at most. The largest that is relied on are some hundred kilobytes.
pub const MAX_SIZE: u64 = 1 << 24;

/// The layouts that were asked for, and those of all that they contain.
#[derive(Clone, Default, Debug)]
pub struct TypeTable {
    types: Vec<Type>,
    names: FxHashMap<String, TypeId>,
}

/// Structs in structs: Go's own nest a handful deep.
const MAX_DEPTH: usize = 32;

impl TypeTable {
    /// Adds a type, for others to refer to.
    pub fn add(&mut self, ty: Type) -> TypeId {
        let id = TypeId(self.types.len());
        self.types.push(ty);
        id
    }

    /// Gives a type the name under which it is looked up; an earlier one of that name is forgotten.
    pub fn publish(&mut self, name: &str, id: TypeId) {
        self.names.insert(name.to_owned(), id);
    }

    /// Takes over the type with that name, and all that it contains, from another table.
    pub fn adopt(&mut self, name: &str, from: &TypeTable) {
        if let Some(id) = from.names.get(name).and_then(|&id| self.copy(from, id, 0)) {
            self.publish(name, id);
        }
    }

    fn copy(&mut self, from: &TypeTable, id: TypeId, depth: usize) -> Option<TypeId> {
        let mut ty = from.get(id).filter(|_| depth < MAX_DEPTH)?.clone();
        match &mut ty.shape {
            Shape::Struct { fields } => {
                for field in fields {
                    field.ty = self.copy(from, field.ty, depth + 1)?;
                }
            }
            Shape::Array { element, .. } => *element = self.copy(from, *element, depth + 1)?,
            Shape::Int { .. } | Shape::Bool | Shape::Pointer | Shape::Other => {}
        }
        Some(self.add(ty))
    }

    /// The type with that name, if it was asked for and is there.
    pub fn lookup(&self, name: &str) -> Option<&Type> {
        self.get(*self.names.get(name)?)
    }

    /// A type by its ID.
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0)
    }

    /// The number that `path` (fields joined by dots) leads to in the struct `root`.
    ///
    /// Wrappers are peeled by their shape: a struct with a single field that takes up
    /// space stands for that field (`atomic.Uint32 { noCopy; value uint32 }`), an array for its first element.
    pub fn scalar(&self, root: &str, path: &str) -> Result<Scalar, PathError> {
        let full = || format!("{root}.{path}");
        let mut ty = self
            .lookup(root)
            .ok_or_else(|| PathError::NoType(root.to_owned()))?;
        let mut offset = 0u64;
        // Layout tables name a field by its whole path.
        let separator = if ty.field(path).is_some() { '\0' } else { '.' };
        for name in path.split(separator) {
            let field = ty.field(name).ok_or_else(|| PathError::NoField(full()))?;
            offset = offset.saturating_add(field.offset);
            ty = self
                .get(field.ty)
                .ok_or_else(|| PathError::NoField(full()))?;
        }
        for _ in 0..MAX_DEPTH {
            let signed = match &ty.shape {
                Shape::Int { signed } => *signed,
                Shape::Bool | Shape::Pointer => false,
                Shape::Struct { .. } => match self.peel(ty) {
                    Some((inner_offset, inner)) => {
                        offset = offset.saturating_add(inner_offset);
                        ty = inner;
                        continue;
                    }
                    None => break,
                },
                Shape::Array { element, .. } => match self.get(*element) {
                    Some(first) => {
                        ty = first;
                        continue;
                    }
                    None => break,
                },
                Shape::Other => break,
            };
            if !matches!(ty.size, 1 | 2 | 4 | 8) {
                break;
            }
            // Whoever reads it reads all from the beginning of the struct to here.
            if offset > MAX_SIZE {
                return Err(PathError::TooLarge(full()));
            }
            return Ok(Scalar {
                offset: offset as usize,
                width: ty.size as usize,
                signed,
            });
        }
        Err(PathError::NotANumber {
            path: full(),
            found: ty.to_string(),
        })
    }

    fn peel<'a>(&'a self, ty: &'a Type) -> Option<(u64, &'a Type)> {
        let Shape::Struct { fields } = &ty.shape else {
            return None;
        };
        let mut sized = fields.iter().filter_map(|field| {
            let inner = self.get(field.ty)?;
            (inner.size > 0).then_some((field.offset, inner))
        });
        let only = sized.next()?;
        sized.next().is_none().then_some(only)
    }
}

impl Type {
    fn field(&self, name: &str) -> Option<&Field> {
        match &self.shape {
            Shape::Struct { fields } => fields.iter().find(|f| f.name == name),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.shape {
            Shape::Int { .. } => "an integer",
            Shape::Bool => "a bool",
            Shape::Pointer => "a pointer",
            Shape::Struct { .. } => "a struct",
            Shape::Array { .. } => "an array",
            Shape::Other => "something else",
        };
        write!(f, "{what} ({}, {} bytes)", self.name, self.size)
    }
}

impl Scalar {
    /// Its value in the bytes of the struct, zero- or sign-extended to 64 bits;
    /// `None` where the bytes end before it.
    pub fn get(self, bytes: &[u8]) -> Option<u64> {
        // Most are words, and some are read while the target stands still.
        if self.width == 8 {
            let word = bytes.get(self.offset..)?.first_chunk()?;
            return Some(u64::from_le_bytes(*word));
        }
        let raw = bytes.get(self.offset..self.offset.checked_add(self.width)?)?;
        let mut wide = [0u8; 8];
        wide.get_mut(..self.width)?.copy_from_slice(raw);
        let value = u64::from_le_bytes(wide);
        let unused = 64 - 8 * self.width as u32;
        Some(if self.signed {
            ((value << unused) as i64 >> unused) as u64
        } else {
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TypeTable {
        let mut t = TypeTable::default();
        let int = |size, signed| Type {
            name: "int".into(),
            size,
            shape: Shape::Int { signed },
        };
        let u32_ = t.add(int(4, false));
        let i8_ = t.add(int(1, true));
        let empty = t.add(Type {
            name: "noCopy".into(),
            size: 0,
            shape: Shape::Struct { fields: vec![] },
        });
        let field = |name: &str, offset, ty| Field {
            name: name.into(),
            offset,
            ty,
        };
        let strukt = |name: &str, size, fields| Type {
            name: name.into(),
            size,
            shape: Shape::Struct { fields },
        };
        let atomic = t.add(strukt(
            "atomic.Uint32",
            4,
            vec![field("_", 0, empty), field("value", 0, u32_)],
        ));
        let pair = t.add(strukt(
            "pair",
            8,
            vec![field("a", 0, u32_), field("b", 4, atomic)],
        ));
        let g = t.add(strukt(
            "runtime.g",
            16,
            vec![field("x", 0, i8_), field("pair", 4, pair)],
        ));
        t.publish("runtime.g", g);
        t
    }

    #[test]
    fn paths_lead_through_structs_and_wrappers() {
        let t = table();
        assert_eq!(
            t.scalar("runtime.g", "pair.b"),
            Ok(Scalar {
                offset: 8,
                width: 4,
                signed: false
            })
        );
        assert_eq!(
            t.scalar("runtime.g", "pair.c"),
            Err(PathError::NoField("runtime.g.pair.c".into()))
        );
        assert_eq!(
            t.scalar("runtime.g", "pair").unwrap_err().to_string(),
            "runtime.g.pair: expected a number, found a struct (pair, 8 bytes)"
        );
    }

    #[test]
    fn what_lies_beyond_any_struct_is_refused() {
        for offset in [MAX_SIZE + 1, u64::MAX - 7, u64::MAX] {
            let mut t = table();
            let x = t.lookup("runtime.g").unwrap().field("x").unwrap().ty;
            let fields = vec![Field {
                name: "x".into(),
                offset,
                ty: x,
            }];
            let far = t.add(Type {
                name: "far".into(),
                size: 8,
                shape: Shape::Struct { fields },
            });
            t.publish("far", far);
            let refused = Err(PathError::TooLarge("far.x".into()));
            assert_eq!(t.scalar("far", "x"), refused);
        }
    }

    #[test]
    fn numbers_are_extended_by_their_sign() {
        let x = table().scalar("runtime.g", "x").unwrap();
        assert_eq!(x.get(&[0xff]), Some(u64::MAX));
        assert_eq!(Scalar { signed: false, ..x }.get(&[0xff]), Some(0xff));
        assert_eq!(Scalar { offset: 1, ..x }.get(&[0xff]), None);
    }
}
