namespace Messaging.Postgres;

/// <summary>The payload that marks a message as one of a warm-up, for observers that must ignore such messages.</summary>
interface IWarmUp;
