namespace Messaging.Postgres;

/// <summary>Marks a message as one of a warm-up, for observers that must ignore such messages.</summary>
interface IWarmUp;
