namespace Saga.Attack;

/// <summary>What the services' metrics said at one moment; NaN is a value that could not be read.</summary>
/// <param name="At">Seconds since the start of the attack.</param>
/// <param name="Accepted">CreateOrder calls that succeeded per second.</param>
/// <param name="Ended">Orders that reached a terminal state per second.</param>
/// <param name="Open">Orders in Reserving or Cancelling.</param>
/// <param name="Uncaptured">Confirmed orders whose funds are not captured.</param>
/// <param name="OrderOutbox">Messages of Order that the broker has not confirmed.</param>
/// <param name="AccountOutbox">Messages of Account that the broker has not confirmed.</param>
sealed record TimelineSample(double At, double Accepted, double Ended, double Open, double Uncaptured,
    double OrderOutbox, double AccountOutbox);
