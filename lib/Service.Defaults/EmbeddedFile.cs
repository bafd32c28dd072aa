namespace Service.Defaults;

/// <summary>Reads files, most of them SQL, that are embedded in an assembly.</summary>
public static class EmbeddedFile
{
    /// <summary>Reads an embedded file.</summary>
    /// <typeparam name="TMarker">Any type of the assembly that contains the file.</typeparam>
    /// <param name="fileName">The name of the file, without folders.</param>
    /// <exception cref="InvalidOperationException">The assembly does not contain the file.</exception>
    public static string Read<TMarker>(string fileName)
    {
        var assembly = typeof(TMarker).Assembly;
        using var stream = assembly.GetManifestResourceStream(fileName)
            ?? throw new InvalidOperationException($"{fileName} is not embedded in {assembly.GetName().Name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
