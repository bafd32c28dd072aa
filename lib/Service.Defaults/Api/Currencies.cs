using System.Collections.Frozen;

namespace Service.Defaults;

/// <summary>
/// The currencies of ISO 4217 and the number of their decimals. Codes without decimals of their own, such as gold
/// (XAU) and the code for tests (XTS), are not money that an account can hold.
/// </summary>
/// <remarks>
/// Generated from list one of ISO 4217, published on 2024-06-25, the columns Ccy and CcyMnrUnts; with XCG of
/// amendment 176.
/// </remarks>
static class Currencies
{
    static readonly FrozenDictionary<string, int> Decimals = new Dictionary<int, string>
    {
        [0] = """
            BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
            """,
        [2] = """
            AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
            CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ
            GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK
            MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB
            SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN
            UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
            """,
        [3] = """
            BHD IQD JOD KWD LYD OMR TND
            """,
        [4] = """
            CLF UYW
            """,
    }.SelectMany(x => x.Value.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)
        .Select(code => (code, x.Key))).ToFrozenDictionary(x => x.code, x => x.Key, StringComparer.Ordinal);

    /// <summary>Returns the number of decimals of a currency, or null if there is no such currency.</summary>
    public static int? FindDecimals(string? code) =>
        code != null && Decimals.TryGetValue(code, out var decimals) ? decimals : null;
}
