namespace Service.Defaults;

/// <summary>A service cannot run with its configuration or its database; a retry cannot succeed.</summary>
/// <param name="message">One line: what is wrong, and what to do.</param>
sealed class StartException(string message) : Exception(message);
