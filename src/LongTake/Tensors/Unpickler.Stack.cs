using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tensors;

// What operations take from the pickle and its stack, and put there.
internal ref partial struct Unpickler
{
    private static string Named(byte code) =>
        code switch
        {
            (byte)'i' => " (INST)",
            (byte)'o' => " (OBJ)",
            0x81 => " (NEWOBJ)",
            0x92 => " (NEWOBJ_EX)",
            (byte)'P' => " (PERSID)",
            0x82 or 0x83 or 0x84 => " (EXT)",
            (byte)'2' => " (DUP)",
            _ => "",
        };

    private readonly PickleName Global(string module, string name)
    {
        var full = $"{module}.{name}";
        return Known(full) ? new(full) : throw refused($"the name {SafetensorsHeader.Quote(full)}");
    }

    private void Call()
    {
        var arguments = Pop() as object?[] ?? throw broken("its pickle calls with something that is no tuple");
        var what = Pop();
        stack.Add(
            what is PickleName { Name: var name }
                ? call(name, arguments)
                : throw refused("a call of something that is no known name")
        );
    }

    // A state dictionary carries the versions of its modules as an attribute; they are of no use here. Nothing else may
    // be built.
    private void Build()
    {
        Pop();
        if (Peek() is not PickleDict)
            throw refused("a BUILD (state set on an object that is no dictionary)");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > pickle.Length - at)
            throw broken("its pickle ends in the middle: cut short?");
        at += count;
        return pickle.Slice(at - count, count);
    }

    private int Length(int bytes)
    {
        var length =
            bytes == 4
                ? BinaryPrimitives.ReadUInt32LittleEndian(Take(4))
                : BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
        return length <= int.MaxValue ? (int)length : throw broken("its pickle ends in the middle: cut short?");
    }

    private string Text(int bytes) => Encoding.UTF8.GetString(Take(bytes));

    private string Line()
    {
        var end = pickle[at..].IndexOf((byte)'\n');
        if (end is < 0 or > 1000)
            throw broken("a name in its pickle has no end");
        var text = Text(end);
        at++;
        return text;
    }

    private static object Long(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 8)
            return new PickleOther("a number beyond 64 bits");
        var value = bytes.Length > 0 && bytes[^1] >= 0x80 ? -1L : 0L;
        for (var i = bytes.Length - 1; i >= 0; i--)
            value = value << 8 | bytes[i];
        return value;
    }

    private readonly object? Peek() =>
        stack.Count > 0 && !ReferenceEquals(stack[^1], mark)
            ? stack[^1]
            : throw broken("its pickle takes what is not there");

    private object? Pop()
    {
        var top = Peek();
        stack.RemoveAt(stack.Count - 1);
        return top;
    }

    private object?[] Top(int count)
    {
        var items = new object?[count];
        for (var i = count - 1; i >= 0; i--)
            items[i] = Pop();
        return items;
    }

    private object?[] PopMark()
    {
        if (marks.Count == 0)
            throw broken("its pickle takes what is not there");
        var begin = marks[^1];
        object?[] items = [.. stack.Skip(begin + 1)];
        stack.RemoveRange(begin, stack.Count - begin);
        marks.RemoveAt(marks.Count - 1);
        return items;
    }

    private readonly List<object?> List() =>
        Peek() as List<object?> ?? throw broken("its pickle appends to something that is no list");

    private readonly void Add(object?[] pairs)
    {
        if (Peek() is not PickleDict dict || pairs.Length % 2 != 0)
            throw broken("its pickle sets items of something that is no dictionary");
        for (var i = 0; i < pairs.Length; i += 2)
            dict.Pairs.Add((pairs[i], pairs[i + 1]));
    }

    // Every pickler numbers what it remembers from 0 on, so a list will do.
    private readonly void Put(long index)
    {
        if (index > memo.Count)
            throw broken("the numbers of its pickle's memory do not follow each other");
        if (index == memo.Count)
            memo.Add(Peek());
        else
            memo[(int)index] = Peek();
    }

    private readonly void Get(long index) =>
        stack.Add(index < memo.Count ? memo[(int)index] : throw broken("its pickle recalls what it never remembered"));
}
