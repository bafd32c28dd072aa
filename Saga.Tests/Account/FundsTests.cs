using Accounts;
using Contracts;

namespace Saga.Tests.Accounts;

/// <summary>
/// Every cell of the decision table of <see cref="Funds" />: command × reservation → reservation, balances, ledger
/// entry and reply.
/// </summary>
[TestFixture, Category("Unit")]
public sealed class When_a_funds_command_is_decided
{
    static readonly DateTime Now = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    static readonly Guid OrderId = Guid.NewGuid();
    static readonly Guid AccountId = Guid.NewGuid();

    [Test]
    public void Should_hold_the_total_of_a_new_order()
    {
        var (account, funds) = Given(null);

        var reply = funds.Decide(FundsCommand.Of(Command(30)));

        Assert.That(reply, Is.EqualTo(new FundsReserved(OrderId)));
        Assert.That((account.Available, account.Held, account.Captured), Is.EqualTo((70m, 30m, 0m)));
        Assert.That(funds.Reservation,
            Has.Property("Status").EqualTo(ReservationStatus.Held).And.Property("Amount").EqualTo(30m));
        Assert.That(funds.Entry, Has.Property("Kind").EqualTo(EntryKind.Hold).And.Property("Amount").EqualTo(30m)
            .And.Property("AvailableAfter").EqualTo(70m).And.Property("HeldAfter").EqualTo(30m));
    }

    [TestCase(100, "EUR", null, TestName = "the whole balance is enough")]
    [TestCase(0, "EUR", null, TestName = "an order of zero")]
    [TestCase(100.0001, "EUR", RejectionReason.InsufficientFunds, TestName = "0.0001 too much")]
    [TestCase(1, "USD", RejectionReason.CurrencyMismatch, TestName = "another currency")]
    [TestCase(1000, "USD", RejectionReason.CurrencyMismatch, TestName = "another currency and too much")]
    public void Should_reject_with_a_reason(decimal amount, string currency, RejectionReason? reason)
    {
        var (account, funds) = Given(null);

        var reply = funds.Decide(FundsCommand.Of(Command(amount, currency)));

        Assert.That(reply, reason is { } r
            ? Is.EqualTo(new ReservationRejected(OrderId, r))
            : Is.EqualTo(new FundsReserved(OrderId)));
        Assert.That(account.Held, Is.EqualTo(reason == null ? amount : 0));
        Assert.That(funds.Reservation!.Reason, Is.EqualTo(reason));
    }

    [Test]
    public void Should_write_increasing_times_when_the_clock_is_behind()
    {
        var (account, funds) = Given(null);
        funds.Decide(FundsCommand.Of(Command(30)));
        var hold = funds.Entry!;

        var later = new Funds(account, funds.Reservation, Now.AddMinutes(-5)); // another replica's clock
        later.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, AccountId)));
        var deposit = account.Deposit(1, null, null, Now.AddHours(-1));

        Assert.That(later.Entry!.CreateTime, Is.GreaterThan(hold.CreateTime));
        Assert.That(later.Reservation!.UpdateTime, Is.EqualTo(later.Entry.CreateTime));
        Assert.That(deposit.CreateTime, Is.GreaterThan(later.Entry.CreateTime));
        Assert.That(account.UpdateTime, Is.EqualTo(deposit.CreateTime));
    }

    [TestCase(-1)]
    [TestCase(1.00001)]
    [TestCase(1e15)]
    public void Should_fault_on_an_invalid_amount(decimal amount)
    {
        var (account, funds) = Given(null);
        Assert.That(() => funds.Decide(FundsCommand.Of(Command(amount))), Throws.InvalidOperationException);
        Assert.That((account.Available, account.Held, funds.Reservation), Is.EqualTo((100m, 0m, (Reservation?)null)));
    }

    [Test]
    public void Should_reject_without_an_account()
    {
        var funds = new Funds(null, null, Now);
        Assert.That(funds.Decide(FundsCommand.Of(Command(1))),
            Is.EqualTo(new ReservationRejected(OrderId, RejectionReason.AccountNotFound)));
        Assert.That(funds.Reservation!.Status, Is.EqualTo(ReservationStatus.Rejected));
        Assert.That(funds.Entry, Is.Null);
    }

    [TestCase(ReservationStatus.Held, ExpectedResult = typeof(FundsReserved))]
    [TestCase(ReservationStatus.Captured, ExpectedResult = typeof(FundsReserved))]
    [TestCase(ReservationStatus.Released, ExpectedResult = typeof(ReservationRejected))]
    [TestCase(ReservationStatus.Rejected, ExpectedResult = typeof(ReservationRejected))]
    public Type Should_repeat_the_earlier_decision(ReservationStatus status)
    {
        var (account, funds) = Given(status);
        var before = (account.Available, account.Held, account.Captured);

        var reply = funds.Decide(FundsCommand.Of(Command(30)));

        Assert.That((account.Available, account.Held, account.Captured), Is.EqualTo(before));
        Assert.That(funds.Entry, Is.Null);
        Assert.That(funds.Reservation!.Status, Is.EqualTo(status));
        if (reply is ReservationRejected rejected)
            Assert.That(rejected.Reason, Is.EqualTo(status == ReservationStatus.Released
                ? RejectionReason.Released
                : RejectionReason.InsufficientFunds));
        return reply!.GetType();
    }

    [Test]
    public void Should_fault_when_the_same_order_reserves_another_amount()
    {
        var (_, funds) = Given(ReservationStatus.Held);
        Assert.That(() => funds.Decide(FundsCommand.Of(Command(31))),
            Throws.InvalidOperationException.With.Message.Contains("another amount"));
    }

    [Test]
    public void Should_fault_without_telling_the_log_amounts_and_accounts()
    {
        var other = Guid.NewGuid();
        object[] commands =
        [
            new ReserveFunds(OrderId, other, 4711.0815m, "EUR"), new ReleaseFunds(OrderId, other, "EUR"),
            new OrderConfirmed(OrderId, other), Command(-4711.0815m),
        ];
        foreach (var command in commands)
        {
            var error = Assert.Throws<InvalidOperationException>(
                () => Given(ReservationStatus.Held).Funds.Decide(FundsCommand.Of(command)))!;
            Assert.That(error.Message, Does.Contain($"{OrderId}").And.Not.Contain("4711.0815")
                .And.Not.Contain($"{other}").And.Not.Contain($"{AccountId}"));
        }

        Assert.That(() => FundsCommand.Of(new OrderCancelled(OrderId, true)),
            Throws.ArgumentException.With.Message.Not.Contains($"{OrderId}"));
        var missing = new Funds(null, Given(ReservationStatus.Held).Funds.Reservation, Now);
        Assert.That(() => missing.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, AccountId))),
            Throws.InvalidOperationException.With.Message.Not.Contains($"{AccountId}"));
        var empty = new Funds(new Account
        {
            AccountId = AccountId,
            Currency = "EUR",
            CreateTime = Now,
            UpdateTime = Now,
        }, Given(ReservationStatus.Held).Funds.Reservation, Now);
        Assert.That(() => empty.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, AccountId))),
            Throws.InvalidOperationException.With.Message.Not.Contains($"{AccountId}")
                .And.Message.Contains($"{OrderId}"));
    }

    [TestCase(null, ReservationStatus.Released, 0, false)]
    [TestCase(ReservationStatus.Held, ReservationStatus.Released, 30, true)]
    [TestCase(ReservationStatus.Released, ReservationStatus.Released, 30, false)]
    [TestCase(ReservationStatus.Rejected, ReservationStatus.Rejected, 0, false)]
    public void Should_release(ReservationStatus? before, ReservationStatus after, decimal amount, bool hasEntry)
    {
        var (account, funds) = Given(before);

        var reply = funds.Decide(FundsCommand.Of(new ReleaseFunds(OrderId, AccountId, "EUR")));

        Assert.That(reply, Is.EqualTo(new FundsReleased(OrderId, amount)));
        Assert.That(funds.Reservation!.Status, Is.EqualTo(after));
        Assert.That((account.Available, account.Held), Is.EqualTo((100m, 0m)));
        Assert.That(funds.Entry?.Kind, Is.EqualTo(hasEntry ? EntryKind.Release : (EntryKind?)null));
    }

    [Test]
    public void Should_hold_nothing_when_the_release_was_handled_first()
    {
        var (account, funds) = Given(null);
        funds.Decide(FundsCommand.Of(new ReleaseFunds(OrderId, AccountId, "EUR")));

        var reply = funds.Decide(FundsCommand.Of(Command(30)));

        Assert.That(reply, Is.EqualTo(new ReservationRejected(OrderId, RejectionReason.Released)));
        Assert.That((account.Available, account.Held), Is.EqualTo((100m, 0m)));
    }

    [Test]
    public void Should_fault_when_captured_funds_are_released()
    {
        var (_, funds) = Given(ReservationStatus.Captured);
        Assert.That(() => funds.Decide(FundsCommand.Of(new ReleaseFunds(OrderId, AccountId, "EUR"))),
            Throws.InvalidOperationException.With.Message.Contains(OrderId.ToString()));
    }

    [TestCase(ReservationStatus.Held, 30)]
    [TestCase(ReservationStatus.Captured, null)]
    public void Should_capture_once_and_answer_each_time(ReservationStatus before, decimal? moved)
    {
        var (account, funds) = Given(before);

        var reply = funds.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, AccountId)));

        Assert.That(reply, Is.EqualTo(new FundsCaptured(OrderId)));
        Assert.That(funds.Reservation!.Status, Is.EqualTo(ReservationStatus.Captured));
        Assert.That((account.Available, account.Held, account.Captured), Is.EqualTo((70m, 0m, 30m)));
        Assert.That(funds.Entry?.Amount, Is.EqualTo(moved));
    }

    [TestCase(null)]
    [TestCase(ReservationStatus.Released)]
    [TestCase(ReservationStatus.Rejected)]
    public void Should_fault_when_nothing_is_held_for_a_capture(ReservationStatus? status)
    {
        var (account, funds) = Given(status);
        Assert.That(() => funds.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, AccountId))),
            Throws.InvalidOperationException);
        Assert.That(account.Captured, Is.Zero);
    }

    [TestCase(ReservationStatus.Held)]
    [TestCase(ReservationStatus.Captured)]
    [TestCase(ReservationStatus.Released)]
    [TestCase(ReservationStatus.Rejected)]
    public void Should_fault_when_the_command_names_another_account(ReservationStatus status)
    {
        var (account, funds) = Given(status);
        var before = (account.Available, account.Held, account.Captured);
        var other = Guid.NewGuid();

        Assert.That(() => funds.Decide(FundsCommand.Of(new ReleaseFunds(OrderId, other, "EUR"))),
            Throws.InvalidOperationException.With.Message.Contains("names another account"));
        Assert.That(() => funds.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, other))),
            Throws.InvalidOperationException.With.Message.Contains("names another account"));
        Assert.That((account.Available, account.Held, account.Captured), Is.EqualTo(before));
    }

    static ReserveFunds Command(decimal amount, string currency = "EUR") => new(OrderId, AccountId, amount, currency);

    /// <summary>An account with 100 EUR and a reservation of 30 in the given status, reached by commands.</summary>
    static (Account Account, Funds Funds) Given(ReservationStatus? status)
    {
        var account = new Account { AccountId = AccountId, Currency = "EUR", CreateTime = Now, UpdateTime = Now };
        account.Deposit(status == ReservationStatus.Rejected ? 10 : 100, null, null, Now);
        var past = new Funds(account, null, Now);
        if (status != null)
            past.Decide(FundsCommand.Of(Command(30)));
        if (status == ReservationStatus.Released)
            past.Decide(FundsCommand.Of(new ReleaseFunds(OrderId, AccountId, "EUR")));
        if (status == ReservationStatus.Captured)
            past.Decide(FundsCommand.Of(new OrderConfirmed(OrderId, AccountId)));
        if (status == ReservationStatus.Rejected)
            account.Deposit(90, null, null, Now);
        return (account, new Funds(account, past.Reservation, Now));
    }
}
