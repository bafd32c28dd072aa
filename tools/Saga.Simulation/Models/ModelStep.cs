namespace Saga.Simulation;

/// <summary>
/// One step of a random sequence: a command or event of a kind about an order, with one of five messages.
/// </summary>
/// <param name="Kind">The kind, 0 to 8.</param>
/// <param name="Order">The order, 0 to 5.</param>
/// <param name="Message">The message, 0 to 4; equal messages are repeats.</param>
sealed record ModelStep(int Kind, int Order, int Message);
