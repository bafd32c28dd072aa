using System.Reflection;
using Accounts.V1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Orders.V1;
using Saga.Fuzz;

namespace Saga.Tests.Tools;

[TestFixture, Category("Unit")]
public sealed class When_calls_are_made_to_fuzz_the_apis
{
    const int Calls = 3000;

    static readonly FuzzCallers Callers = new();

    [Test]
    public void Should_make_the_same_calls_of_the_same_seed()
    {
        var (first, second) = (Make(seed: 1), Make(seed: 1));
        Assert.That(first.Select(x => x.ToString()), Is.EqualTo(second.Select(x => x.ToString())));
        Assert.That(first.Select(BodyOf), Is.EqualTo(second.Select(BodyOf)));
    }

    [Test]
    public void Should_make_other_calls_of_another_seed() => Assert.That(
        Make(seed: 1).Zip(Make(seed: 2)).Count(x => $"{x.First}" == $"{x.Second}"), Is.LessThan(Calls / 100));

    /// <summary>Every service in the assemblies of the APIs, so that a new method is fuzzed or found here.</summary>
    [Test]
    public void Should_call_every_method_of_both_apis_in_both_forms()
    {
        var methods = new[] { typeof(OrderService).Assembly, typeof(AccountService).Assembly }
            .SelectMany(x => x.GetTypes())
            .Where(x => x.GetCustomAttribute<BindServiceMethodAttribute>() != null)
            .Select(x => (ServiceDescriptor)x.DeclaringType!.GetProperty("Descriptor")!.GetValue(null)!)
            .SelectMany(x => x.Methods).Select(x => x.FullName).ToList();
        Assert.That(methods, Has.Count.GreaterThanOrEqualTo(12));
        foreach (var isGrpc in (bool[])[true, false])
            Assert.That(Make(seed: 1).Where(x => x.IsGrpc == isGrpc && x.Damage == Damage.None)
                .Select(x => x.Method.Descriptor.FullName).Distinct(), Is.EquivalentTo(methods));
    }

    [Test]
    public void Should_damage_every_part_of_a_call() => Assert.That(
        Make(seed: 1).Select(x => x.Damage).Distinct(), Is.EquivalentTo(Enum.GetValues<Damage>()));

    [TestCaseSource(nameof(Methods))]
    public void Should_make_mutants_that_differ_from_the_valid_form(string name)
    {
        var method = FuzzMethod.All.Single(x => x.Descriptor.FullName == name);
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var valid = new ValidMessages(NewIds()).New(method, "alice", random);
            var json = JsonFormatter.Default.Format(valid);
            Assert.That(MessageMutator.Mutate(valid, random), Is.Not.EqualTo(valid));
            Assert.That(WireMutator.Mutate(valid.ToByteArray(), random), Is.Not.EqualTo(valid.ToByteArray()));
            Assert.That(WireMutator.MutateFrame(valid.ToByteArray(), random).Body,
                Is.Not.EqualTo(WireMutator.Frame(valid.ToByteArray())));
            Assert.That(JsonMutator.Mutate(json, random), Is.Not.EqualTo(json));
            Assert.That(PathMutator.Mutate(method.GrpcPath, random), Is.Not.EqualTo(method.GrpcPath));
        }
    }

    /// <summary>Only then does a rejected call show what its damage has caused.</summary>
    [TestCaseSource(nameof(Methods))]
    public void Should_make_valid_forms_that_can_be_read_back(string name)
    {
        var method = FuzzMethod.All.Single(x => x.Descriptor.FullName == name);
        for (var seed = 0; seed < 100; seed++)
        {
            var valid = new ValidMessages(NewIds()).New(method, "alice", new Random(seed));
            Assert.That(JsonParser.Default.Parse(JsonFormatter.Default.Format(valid), valid.Descriptor),
                Is.EqualTo(valid));
        }
    }

    static IEnumerable<string> Methods() => FuzzMethod.All.Select(x => x.Descriptor.FullName);

    static List<FuzzCall> Make(int seed)
    {
        var plan = new CallPlan(seed, NewIds(), Callers);
        return [.. Enumerable.Range(1, Calls).Select(plan.Next)];
    }

    static string BodyOf(FuzzCall call) => Convert.ToHexString(call.Body ?? []);

    static KnownIds NewIds()
    {
        var random = new Random(0);
        var ids = new KnownIds(random);
        foreach (var owner in FuzzCallers.Owners)
        {
            ids.AddAccount(owner, KnownIds.NewId(random));
            ids.AddOrder(owner, KnownIds.NewId(random));
        }

        return ids;
    }
}
