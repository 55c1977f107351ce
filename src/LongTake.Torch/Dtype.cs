namespace LongTake.Torch;

/// <summary>Element types, numbered as libtorch's ScalarType.</summary>
public enum Dtype
{
    U8 = 0,
    I8 = 1,
    I16 = 2,
    I32 = 3,
    I64 = 4,
    F16 = 5,
    F32 = 6,
    F64 = 7,
    Bool = 11,
    BF16 = 15,
}
