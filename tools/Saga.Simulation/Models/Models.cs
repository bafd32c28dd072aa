using CsCheck;

namespace Saga.Simulation;

/// <summary>
/// Compares the production rules with small models, by random sequences of commands that are repeated and reordered,
/// with old and new message ids. A failing sequence is shrunk, and the exception's message has its seed.
/// </summary>
public static class Models
{
    static readonly Gen<ModelStep[]> Sequences = Gen.Select(Gen.Int[0, 8], Gen.Int[0, 5], Gen.Int[0, 4],
        (kind, order, message) => new ModelStep(kind, order, message)).Array[0, 40];

    /// <summary>Compares the funds' rules with their model.</summary>
    /// <param name="sequences">The number of sequences.</param>
    /// <param name="mutant">The guarantee to switch off.</param>
    /// <exception cref="CsCheckException">They differ; the message has the shortest sequence and the seed.</exception>
    public static void Funds(long sequences, Mutant mutant = Mutant.None) =>
        Sequences.Sample(steps => new FundsModel(mutant).Run(steps), iter: sequences, print: Print);

    /// <summary>Compares the saga with its model.</summary>
    /// <inheritdoc cref="Funds" />
    public static void Saga(long sequences, Mutant mutant = Mutant.None) =>
        Sequences.Sample(steps => new SagaModel(mutant).Run(steps), iter: sequences, print: Print);

    internal static void AssertEqual<T>(string subject, T actual, T expected)
    {
        if (!EqualityComparer<T>.Default.Equals(actual, expected))
            throw new InvalidOperationException($"{subject} is {actual}; the model expects {expected}");
    }

    static string Print(ModelStep[] steps) => string.Join("; ", steps.Select(x => x.ToString()));
}
