using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Saga.Fuzz;

/// <summary>
/// Makes requests that the methods accept, or reject for a reason of business, from the descriptors of the messages.
/// </summary>
sealed class ValidMessages(KnownIds ids)
{
    const int OneOfMany = 8;

    // Far from now, so that a seed always gives the same requests.
    static readonly DateTime Epoch = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>Makes a request.</summary>
    /// <param name="method">The method.</param>
    /// <param name="caller">Who will call it.</param>
    /// <param name="random">Makes all choices.</param>
    /// <exception cref="NotSupportedException">A field has no valid form yet: give it one here.</exception>
    public IMessage New(FuzzMethod method, string caller, Random random)
    {
        var request = New(method.Descriptor.InputType, caller, random);
        return random.Next(4) == 0 && ids.Page(caller, method.Name) is { } page ? Copy(page) : request;
    }

    /// <summary>Copies a message.</summary>
    public static IMessage Copy(IMessage message) => message.Descriptor.Parser.ParseFrom(message.ToByteArray());

    IMessage New(MessageDescriptor type, string caller, Random random)
    {
        if (type == Google.Type.Money.Descriptor)
            return NewMoney(random);
        if (type == Timestamp.Descriptor)
            return Timestamp.FromDateTime(Epoch.AddMinutes(random.Next(1_000_000)));
        var message = FuzzMethod.New(type);
        var left = type.Oneofs.ToDictionary(x => x, x => x.Fields[random.Next(x.Fields.Count)]);
        foreach (var field in type.Fields.InDeclarationOrder())
        {
            if (field.ContainingOneof is { } oneof && left[oneof] != field)
                continue;
            if (field.IsMap)
                throw Unknown(field);
            if (field.IsRepeated)
                for (var i = random.Next(1, 4); i > 0; i--)
                    ((IList)field.Accessor.GetValue(message)).Add(Value(field, caller, random));
            else
                field.Accessor.SetValue(message, Value(field, caller, random));
        }

        return message;
    }

    object? Value(FieldDescriptor field, string caller, Random random) => field.FieldType switch
    {
        FieldType.Message => IsFilter(field) && random.Next(4) > 0 ? null : New(field.MessageType, caller, random),
        FieldType.String => Text(field, caller, random),
        FieldType.Enum => System.Enum.ToObject(field.EnumType.ClrType, random.Next(2) == 0
            ? 0 : field.EnumType.Values[random.Next(field.EnumType.Values.Count)].Number),
        FieldType.Int32 => random.Next(1, field.Name == "page_size" ? 20 : 4),
        _ => throw Unknown(field),
    };

    string Text(FieldDescriptor field, string caller, Random random)
    {
        var isOptional = IsFilter(field) && random.Next(2) == 0;
        return field.Name switch
        {
            "account_id" when field.ContainingType.Name.StartsWith("Open", StringComparison.Ordinal) =>
                random.Next(OneOfMany) == 0 ? ids.Account(caller, random) : isOptional ? "" : KnownIds.NewId(random),
            "account_id" => isOptional ? "" : ids.Account(caller, random),
            "order_id" => ids.Order(caller, random),
            "request_id" => random.Next(2) == 0 ? "" : ids.Request(random),
            "currency_code" => Currency(random),
            "page_token" => "",
            "sku" => $"book-{random.Next(1000)}",
            _ => throw Unknown(field),
        };
    }

    /// <summary>Whether the field may be missing: it limits a list, or the service chooses its value.</summary>
    static bool IsFilter(FieldDescriptor field) =>
        field.ContainingType.Name.StartsWith("List", StringComparison.Ordinal) && field.Name != "account_id"
        || field.ContainingType.Fields.InDeclarationOrder().Any(x => x.Name is "status")
        || field.ContainingType.Name.StartsWith("Open", StringComparison.Ordinal);

    static Google.Type.Money NewMoney(Random random) =>
        new() { CurrencyCode = Currency(random), Units = random.Next(1, 50), Nanos = random.Next(2) * 500_000_000 };

    static string Currency(Random random) => random.Next(OneOfMany) == 0 ? "USD" : "EUR";

    static NotSupportedException Unknown(FieldDescriptor field) =>
        new($"the fuzzer knows no valid value of {field.FullName}: give it one in {nameof(ValidMessages)}");
}
