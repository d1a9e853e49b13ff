package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.ReadRange;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileRange;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.hadoop.util.functional.FutureIO;

/**
 * Reads of many ranges with few requests: neighbours, and ranges with small gaps between them, are read in one; what is
 * left goes to the file system's own vectored reads where it has them, which fetch ranges side by side.
 *
 * <p>The file system reads into buffers of its own, so ranges are handed over in batches of bounded size, and a large range,
 * which gains nothing, is read straight into its place.
 */
final class VectoredReads {
    /** Bytes between two ranges that are rather read than asked around. */
    static final int GAP = 1 << 20;
    /** Bytes of a merged request, and of a batch, at the most; a larger range is read alone. */
    static final int BATCH = 8 << 20;

    private VectoredReads() {}

    /** The ranges in the order of the file, in batches that may be read at once. */
    static List<List<ReadRange>> batches(List<ReadRange> ranges) {
        List<ReadRange> sorted = new ArrayList<>(ranges);
        sorted.removeIf(range -> range.count() == 0);
        sorted.sort(Comparator.comparingLong(ReadRange::offset));
        List<List<ReadRange>> batches = new ArrayList<>();
        List<ReadRange> batch = new ArrayList<>();
        long bytes = 0;
        long end = Long.MIN_VALUE;
        for (ReadRange range : sorted) {
            long gap = Math.max(0, range.offset() - end);
            long more = range.count() + (!batch.isEmpty() && gap <= GAP ? gap : 0);
            if (!batch.isEmpty() && bytes + more > BATCH) {
                batches.add(batch);
                batch = new ArrayList<>();
                bytes = 0;
                more = range.count();
            }
            batch.add(range);
            bytes += more;
            end = Math.max(end, range.end());
        }
        if (!batch.isEmpty()) {
            batches.add(batch);
        }
        return batches;
    }

    /** Reads a batch. */
    static void read(FSDataInputStream in, List<ReadRange> batch) throws IOException {
        if (batch.size() == 1) {
            ReadRange only = batch.get(0);
            in.readFully(only.offset(), only.into(), only.at(), only.count());
            return;
        }
        List<Merged> merged = merge(batch);
        if (merged.size() == 1 || !in.hasCapability(StreamCapabilities.VECTOREDIO)) {
            for (Merged request : merged) {
                byte[] bytes = new byte[request.length()];
                in.readFully(request.offset, bytes, 0, bytes.length);
                request.distribute(ByteBuffer.wrap(bytes));
            }
            return;
        }
        List<FileRange> asked = new ArrayList<>();
        for (Merged request : merged) {
            asked.add(FileRange.createFileRange(request.offset, request.length()));
        }
        in.readVectored(asked, ByteBuffer::allocate);
        for (int i = 0; i < merged.size(); i++) {
            merged.get(i).distribute(FutureIO.awaitFuture(asked.get(i).getData()));
        }
    }

    /** Ranges of a batch that are read in one. */
    private static List<Merged> merge(List<ReadRange> sorted) {
        List<Merged> merged = new ArrayList<>();
        Merged last = null;
        for (ReadRange range : sorted) {
            if (last == null || range.offset() - last.end > GAP) {
                last = new Merged(range);
                merged.add(last);
            } else {
                last.add(range);
            }
        }
        return merged;
    }

    private static final class Merged {
        private final long offset;
        private final List<ReadRange> parts = new ArrayList<>();
        private long end;

        Merged(ReadRange first) {
            offset = first.offset();
            add(first);
        }

        void add(ReadRange range) {
            parts.add(range);
            end = Math.max(end, range.end());
        }

        int length() {
            return Math.toIntExact(end - offset);
        }

        void distribute(ByteBuffer bytes) {
            int start = bytes.position();
            for (ReadRange part : parts) {
                bytes.get(start + (int) (part.offset() - offset), part.into(), part.at(), part.count());
            }
        }
    }
}
