using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Saga.Fuzz;

/// <summary>Makes requests that are well-formed messages with odd values.</summary>
static class MessageMutator
{
    static readonly int[] Sizes = [2, 99, 100, 101, 200, 1000];

    /// <summary>Returns a request that differs from the valid one in at least one field.</summary>
    public static IMessage Mutate(IMessage valid, Random random)
    {
        var mutant = ValidMessages.Copy(valid);
        do
            for (var i = random.Next(1, 3); i > 0; i--)
                MutateField(mutant, random);
        while (mutant.Equals(valid));
        return mutant;
    }

    static void MutateField(IMessage message, Random random)
    {
        var fields = message.Descriptor.Fields.InDeclarationOrder();
        var field = fields[random.Next(fields.Count)];
        if (field.IsRepeated)
            MutateList((IList)field.Accessor.GetValue(message), field, random);
        else if (field.FieldType != FieldType.Message)
            field.Accessor.SetValue(message, OddValues.Of(field, random));
        else if (field.Accessor.GetValue(message) is IMessage inner && random.Next(5) > 0)
            MutateField(inner, random);
        else
            field.Accessor.SetValue(message, random.Next(2) == 0 ? null : FuzzMethod.New(field.MessageType));
    }

    static void MutateList(IList list, FieldDescriptor field, Random random)
    {
        var index = list.Count == 0 ? -1 : random.Next(list.Count);
        switch (random.Next(4))
        {
            case 0 when index >= 0:
                list.Clear();
                break;
            case 1 when index >= 0:
                var element = list[index];
                for (var i = Sizes[random.Next(Sizes.Length)]; i > list.Count;)
                    list.Add(element);
                break;
            case > 1 when index >= 0 && list[index] is IMessage inner:
                MutateField(inner, random);
                break;
            default:
                list.Add(field.FieldType == FieldType.Message
                    ? FuzzMethod.New(field.MessageType) : OddValues.Of(field, random));
                break;
        }
    }
}
