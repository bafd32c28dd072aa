using System.Data.Common;
using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Query;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// Marks the commands of LINQ queries that are composed on SQL, such as <c>FromSql("… for update").Where(…)</c>: their
/// SQL may lock rows or have effects, like that of a query that is not composed.
/// </summary>
sealed class SqlQueries : IQueryExpressionInterceptor
{
    const string Tag = "composed on SQL";

    /// <summary>EF Core builds its services anew for each instance.</summary>
    public static readonly SqlQueries Instance = new();

    /// <summary>Whether the command is a query with SQL of the program.</summary>
    public static bool IsOne(DbCommand command, CommandEventData eventData) =>
        eventData.CommandSource == CommandSource.FromSqlQuery
        || (eventData.CommandSource == CommandSource.LinqQuery
            && command.CommandText.Contains($"-- {Tag}", StringComparison.Ordinal));

    public Expression QueryCompilationStarting(Expression queryExpression, QueryExpressionEventData eventData) =>
        new Tagger().Visit(queryExpression);

    sealed class Tagger : ExpressionVisitor
    {
        /// <summary>The roots of queries without SQL of the program; the types of the others are internal.</summary>
        static readonly Type[] Tables =
        [
            typeof(EntityQueryRootExpression), typeof(InlineQueryRootExpression), typeof(ParameterQueryRootExpression),
        ];

        bool _isTagged;

        protected override Expression VisitExtension(Expression node)
        {
            if (_isTagged || node is not QueryRootExpression || Array.Exists(Tables, x => x == node.GetType()))
                return base.VisitExtension(node);
            _isTagged = true;
            return Expression.Call(typeof(EntityFrameworkQueryableExtensions),
                nameof(EntityFrameworkQueryableExtensions.TagWith), [((QueryRootExpression)node).ElementType], node,
                Expression.Constant(Tag));
        }
    }
}
