using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// A name a pickle asks for, such as "torch.FloatStorage". Only those of <see cref="Unpickler.Known"/> are ever made.
/// </summary>
internal sealed record PickleName(string Name);

/// <summary>A list of pairs in the order written: no hashing, so that no choice of keys can make it slow.</summary>
internal sealed class PickleDict
{
    public List<(object? Key, object? Value)> Pairs { get; } = [];
}

/// <summary>
/// Something that was well formed but is of no use here: an ordered set, bytes, a number beyond 64 bits.
/// </summary>
internal sealed record PickleOther(string What);

/// <summary>
/// Reads the subset of Python's pickle that state dictionaries are written in. Data only: every name outside a fixed
/// list and every operation that could run code is refused, and nothing is executed ever. A call of a known name is
/// handed to <paramref name="call"/>, a persistent id to <paramref name="stored"/>. Work and memory are bounded by the
/// length of the text.
/// </summary>
internal ref partial struct Unpickler(
    ReadOnlySpan<byte> pickle,
    Func<string, object?[], object?> call,
    Func<object?[], object?> stored,
    Func<string, UserException> broken,
    Func<string, UserException> refused
)
{
    /// <summary>The longest pickle that is read: names and shapes of a hundred thousand tensors take less.</summary>
    public const int MaxBytes = 32 << 20;

    private const int MaxOperations = 1_000_000;

    private static readonly string[] known =
    [
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch.nn.parameter.Parameter",
        "torch.Size",
        "torch.device",
        "torch.storage.UntypedStorage",
        "torch.storage._UntypedStorage",
        "torch.storage.TypedStorage",
        "builtins.set",
        "__builtin__.set",
    ];

    /// <summary>
    /// Names that are read: containers, the ways to build a tensor, storages and element types of torch.
    /// </summary>
    public static bool Known(string name) =>
        known.Contains(name) || TorchFile.Storage(name) is not null || TorchFile.ElementType(name) is not null;

    private static readonly object mark = new();

    private readonly ReadOnlySpan<byte> pickle = pickle;
    private readonly List<object?> stack = [],
        memo = [];
    private readonly List<int> marks = [];
    private int at;

    /// <summary>The object that the pickle describes.</summary>
    public object? Read()
    {
        if (pickle.Length > MaxBytes)
            throw broken($"its pickle has {pickle.Length} bytes, the limit is {MaxBytes}");
        for (var operations = 0; ; operations++)
        {
            if (operations == MaxOperations)
                throw broken($"its pickle has more than {MaxOperations} operations");
            var code = Take(1)[0];
            if (code == '.')
                return stack is [var only] && marks.Count == 0
                    ? only
                    : throw broken("its pickle ends with more or less than one object");
            Step(code);
        }
    }

    private void Step(byte code)
    {
        switch (code)
        {
            case 0x80:
                if (Take(1)[0] is > 5 and var protocol)
                    throw broken($"its pickle has protocol {protocol}");
                break;
            case 0x95:
                Take(8);
                break; // FRAME
            case (byte)'(':
                marks.Add(stack.Count);
                stack.Add(mark);
                break;
            case (byte)'0':
                Pop();
                break;
            case (byte)'1':
                PopMark();
                break;
            case (byte)'N':
                stack.Add(null);
                break;
            case 0x88:
                stack.Add(true);
                break;
            case 0x89:
                stack.Add(false);
                break;
            case (byte)'J':
                stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                break;
            case (byte)'K':
                stack.Add((long)Take(1)[0]);
                break;
            case (byte)'M':
                stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                break;
            case 0x8a:
                stack.Add(Long(Take(Take(1)[0])));
                break;
            case (byte)'G':
                stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                break;
            case (byte)'X':
                stack.Add(Text(Length(4)));
                break;
            case 0x8c:
                stack.Add(Text(Take(1)[0]));
                break;
            case 0x8d:
                stack.Add(Text(Length(8)));
                break;
            case (byte)'T':
                stack.Add(Text(Length(4)));
                break; // Python 2's texts
            case (byte)'U':
                stack.Add(Text(Take(1)[0]));
                break;
            case (byte)'B':
                Take(Length(4));
                stack.Add(new PickleOther("bytes"));
                break;
            case (byte)'C':
                Take(Take(1)[0]);
                stack.Add(new PickleOther("bytes"));
                break;
            case 0x8e:
            case 0x96:
                Take(Length(8));
                stack.Add(new PickleOther("bytes"));
                break;
            case (byte)'}':
                stack.Add(new PickleDict());
                break;
            case (byte)']':
                stack.Add(new List<object?>());
                break;
            case 0x8f:
                stack.Add(new PickleOther("a set"));
                break;
            case (byte)')':
                stack.Add(Array.Empty<object?>());
                break;
            case 0x85:
                stack.Add(Top(1));
                break;
            case 0x86:
                stack.Add(Top(2));
                break;
            case 0x87:
                stack.Add(Top(3));
                break;
            case (byte)'t':
                stack.Add(PopMark());
                break;
            case (byte)'l':
                stack.Add(new List<object?>(PopMark()));
                break;
            case (byte)'d':
            {
                var pairs = PopMark();
                stack.Add(new PickleDict());
                Add(pairs);
                break;
            }
            case (byte)'a':
            {
                var item = Pop();
                List().Add(item);
                break;
            }
            case (byte)'e':
            {
                var items = PopMark();
                List().AddRange(items);
                break;
            }
            case 0x90:
                PopMark();
                if (Peek() is not PickleOther)
                    throw broken("its pickle adds to something that is no set");
                break;
            case (byte)'s':
            {
                var pair = Top(2);
                Add(pair);
                break;
            }
            case (byte)'u':
            {
                var pairs = PopMark();
                Add(pairs);
                break;
            }
            case (byte)'q':
                Put(Take(1)[0]);
                break;
            case (byte)'r':
                Put(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case 0x94:
                Put(memo.Count);
                break;
            case (byte)'h':
                Get(Take(1)[0]);
                break;
            case (byte)'j':
                Get(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case (byte)'c':
            {
                var module = Line();
                stack.Add(Global(module, Line()));
                break;
            }
            case 0x93:
            {
                if (Top(2) is not [string module, string name])
                    throw broken("its pickle asks for a name that is no text");
                stack.Add(Global(module, name));
                break;
            }
            case (byte)'R':
                Call();
                break;
            case (byte)'b':
                Build();
                break;
            case (byte)'Q':
                stack.Add(stored(Pop() as object?[] ?? throw broken("a storage's name in its pickle is no tuple")));
                break;
            default:
                throw refused(
                    $"operation 0x{code:x2}{Named(code)} at byte {at - 1}, which can run code or is not used "
                        + $"for weights"
                );
        }
    }
}
