using System.Text.Json.Serialization;

namespace Saga.Twin;

/// <summary>Generated serializers of the messages.</summary>
[JsonSerializable(typeof(ReserveFunds))]
[JsonSerializable(typeof(FundsReserved))]
[JsonSerializable(typeof(OrderConfirmed))]
sealed partial class MessageJson : JsonSerializerContext;
