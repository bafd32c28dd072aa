namespace Messaging.Postgres.Commits;

/// <summary>
/// Runs a continuation apart from the code that causes it: on a pool thread, or in a simulation as a step.
/// </summary>
delegate void RunLater(Action continuation);
