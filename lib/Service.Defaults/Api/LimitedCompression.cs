using System.IO.Compression;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Service.Defaults;

/// <summary>
/// Limits the size of a message after it is decompressed. gRPC for .NET limits it before, and a kilobyte can become a
/// megabyte.
/// </summary>
sealed class LimitedCompression(ICompressionProvider provider, int maxSize) : ICompressionProvider
{
    public string EncodingName => provider.EncodingName;

    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        provider.CreateCompressionStream(stream, compressionLevel);

    public Stream CreateDecompressionStream(Stream stream) =>
        new LimitedStream(provider.CreateDecompressionStream(stream), maxSize);

    sealed class LimitedStream(Stream stream, int maxSize) : Stream
    {
        long _position;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => _position;
            set => throw new NotSupportedException();
        }

        /// <exception cref="RpcException">More than the maximum size was read.</exception>
        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = stream.Read(buffer, offset, count);
            _position += read;
            return _position <= maxSize ? read : throw new RpcException(new Status(StatusCode.ResourceExhausted,
                $"The message has more than {maxSize:N0} bytes when it is decompressed"));
        }

        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                stream.Dispose();
            base.Dispose(disposing);
        }
    }
}
