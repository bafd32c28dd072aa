namespace Operations.Web;

/// <summary>The name that an operator has entered last, for the next action in the same browser tab.</summary>
sealed class OperatorName
{
    /// <summary>The name; empty at first.</summary>
    public string Value { get; set; } = "";
}
