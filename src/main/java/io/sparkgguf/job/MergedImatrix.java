package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.CollectedSums;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.format.imatrix.ImatrixFile;
import io.sparkgguf.format.imatrix.ImatrixWriter;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The sum of what a run collected, if it did, and of importance-matrix files. All must be of the same model: the same
 * entries with the same numbers of values and counts. Sums of files are read when they are written, matrix by matrix.
 */
final class MergedImatrix implements AutoCloseable {
    private final int chunkSize;
    private final SortedMap<String, ImatrixWriter.Collected> entries = new TreeMap<>();
    private final SortedMap<String, double[]> collected = new TreeMap<>();
    private final List<ImatrixFile> files = new ArrayList<>();
    private final List<RangeReader> readers = new ArrayList<>();
    private final List<String> datasets = new ArrayList<>();
    private String first; // what the others must be like

    /**
     * @param chunkSize tokens of a chunk
     */
    MergedImatrix(int chunkSize) {
        this.chunkSize = chunkSize;
    }

    /** Takes in one dense weight's sums; all of them before any file. */
    void collect(String tensor, double[] sums, long tokens) {
        first = "what was collected";
        double[] rounded = new double[sums.length]; // as a file holds them: merging files later gives the same bytes
        Arrays.setAll(rounded, i -> (float) sums[i]);
        collected.put(tensor, rounded);
        entries.put(tensor, new ImatrixWriter.Collected(tensor, sums.length, new long[] {tokens}));
    }

    /** Takes in a file. */
    void merge(Storage storage, String name) throws IOException {
        ImatrixFile file = ImatrixFile.read(storage, name);
        if (first == null) {
            first = name;
        } else {
            requireSameEntries(file);
        }
        RangeReader reader = storage.open(name);
        readers.add(reader);
        files.add(file);
        for (ImatrixEntry entry : file.entries().values()) {
            long[] counts = CollectedSums.counts(reader, entry, chunkSize);
            int columns = Math.toIntExact(entry.values() / counts.length);
            ImatrixWriter.Collected before = entries.get(entry.tensor());
            if (before != null) {
                requireSameShape(file, before, columns, counts.length);
                long[] sum = before.counts();
                Arrays.setAll(counts, i -> Math.addExact(counts[i], sum[i]));
            }
            entries.put(entry.tensor(), new ImatrixWriter.Collected(entry.tensor(), columns, counts));
        }
        datasets.addAll(file.datasets());
    }

    private void requireSameEntries(ImatrixFile file) {
        for (String tensor : entries.keySet()) {
            if (file.entry(tensor).isEmpty()) {
                throw refusal(file, "it has no entry " + tensor + ", which is in " + first);
            }
        }
        for (String tensor : file.entries().keySet()) {
            if (!entries.containsKey(tensor)) {
                throw refusal(file, "its entry " + tensor + " is not in " + first);
            }
        }
    }

    private void requireSameShape(ImatrixFile file, ImatrixWriter.Collected before, int columns, int counts) {
        if (columns != before.columns() || counts != before.counts().length) {
            throw refusal(
                    file,
                    "entry %s has %d values for each of %d counts, but %d for %d in %s"
                            .formatted(
                                    before.tensor(), columns, counts, before.columns(), before.counts().length, first));
        }
    }

    private static InvalidInputException refusal(ImatrixFile file, String reason) {
        return new InvalidInputException("Cannot merge imatrix " + file.file() + ": " + reason);
    }

    int entries() {
        return entries.size();
    }

    /** Chunks behind the entry that has seen most. */
    int chunks() {
        long most = entries.values().stream()
                .flatMapToLong(entry -> Arrays.stream(entry.counts()))
                .max()
                .orElse(0);
        return Math.toIntExact(most / chunkSize);
    }

    /**
     * Writes the sum; files come before what was collected, as datasets too.
     *
     * @param ownDatasets what the run collected on
     */
    void write(OutputStream out, boolean legacy, List<String> ownDatasets) throws IOException {
        List<String> all = new ArrayList<>(datasets);
        all.addAll(ownDatasets);
        ImatrixWriter writer = new ImatrixWriter(all, chunks(), chunkSize);
        List<ImatrixWriter.Collected> sorted = List.copyOf(entries.values());
        if (legacy) {
            writer.writeLegacy(out, sorted, this::sums);
        } else {
            writer.writeGguf(out, sorted, this::sums);
        }
    }

    private float[] sums(String tensor, int index) throws IOException {
        double[] sums = new double[entries.get(tensor).columns()];
        for (int file = 0; file < files.size(); file++) {
            ImatrixEntry entry = files.get(file).entries().get(tensor);
            add(sums, CollectedSums.sums(readers.get(file), entry, index, chunkSize));
        }
        if (collected.containsKey(tensor)) {
            add(sums, collected.get(tensor));
        }
        float[] rounded = new float[sums.length];
        for (int i = 0; i < sums.length; i++) {
            rounded[i] = (float) sums[i];
            if (!(rounded[i] <= Float.MAX_VALUE)) {
                throw new InvalidInputException("Cannot write the importance of tensor " + tensor
                        + ": the sum of column " + i + ", " + sums[i] + ", exceeds float32");
            }
        }
        return rounded;
    }

    private static void add(double[] sums, double[] more) {
        for (int i = 0; i < sums.length; i++) {
            sums[i] += more[i];
        }
    }

    @Override
    public void close() throws IOException {
        for (RangeReader reader : readers) {
            reader.close();
        }
    }
}
