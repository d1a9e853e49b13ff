package io.sparkgguf.format.imatrix;

import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufReader;
import io.sparkgguf.format.gguf.GgufTensor;
import io.sparkgguf.format.gguf.Quoted;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The index of an importance-matrix file: what it holds, not the values themselves.
 *
 * <p>The GGUF format has, for each weight NAME, a float32 tensor {@code NAME.in_sum2} of sums of squared inputs (a row for
 * each expert) and {@code NAME.counts} of the tokens behind them; other tensors are left alone. The legacy format is told
 * in {@link LegacyImatrix}. Which of the two a file is, its first four bytes say.
 */
public final class ImatrixFile {
    static final String DATASETS = "imatrix.datasets";
    static final String CHUNK_COUNT = "imatrix.chunk_count";
    static final String CHUNK_SIZE = "imatrix.chunk_size";
    static final String SUMS_SUFFIX = ".in_sum2";
    static final String COUNTS_SUFFIX = ".counts";

    private static final byte[] GGUF_MAGIC = {'G', 'G', 'U', 'F'};

    private final String file;
    private final boolean legacy;
    private final SortedMap<String, ImatrixEntry> entries;
    private final List<String> datasets;
    private final long chunkCount;
    private final long chunkSize;

    ImatrixFile(
            String file,
            boolean legacy,
            SortedMap<String, ImatrixEntry> entries,
            List<String> datasets,
            long chunkCount,
            long chunkSize) {
        this.file = file;
        this.legacy = legacy;
        this.entries = Collections.unmodifiableSortedMap(entries);
        this.datasets = List.copyOf(datasets);
        this.chunkCount = chunkCount;
        this.chunkSize = chunkSize;
    }

    /**
     * Reads the index of a file of either format.
     *
     * @throws InvalidInputException when the file is damaged or no importance matrix, naming it
     */
    public static ImatrixFile read(Storage storage, String file) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            return read(reader);
        }
    }

    static ImatrixFile read(RangeReader reader) throws IOException {
        byte[] magic = new byte[(int) Math.min(4, reader.length())];
        reader.readFully(0, magic, 0, magic.length);
        return Arrays.equals(magic, GGUF_MAGIC) ? ofGguf(GgufReader.read(reader)) : LegacyImatrix.read(reader);
    }

    private static ImatrixFile ofGguf(GgufHeader header) {
        SortedMap<String, GgufTensor> sums = new TreeMap<>();
        SortedMap<String, GgufTensor> counts = new TreeMap<>();
        List<String> datasets = datasets(header);
        long chunkCount = number(header, CHUNK_COUNT);
        long chunkSize = number(header, CHUNK_SIZE);
        for (GgufTensor tensor : header.tensors()) {
            stripped(tensor.name(), SUMS_SUFFIX).ifPresent(name -> sums.put(name, tensor));
            stripped(tensor.name(), COUNTS_SUFFIX).ifPresent(name -> counts.put(name, tensor));
        }
        if (sums.isEmpty()) {
            throw damaged(header, "it has no entries");
        }
        SortedMap<String, ImatrixEntry> entries = new TreeMap<>();
        for (Map.Entry<String, GgufTensor> sum : sums.entrySet()) {
            String name = sum.getKey();
            GgufTensor count = counts.remove(name);
            if (count == null) {
                throw damaged(header, "tensor " + Quoted.of(name + COUNTS_SUFFIX) + " is missing");
            }
            entries.put(name, entry(header, name, sum.getValue(), count));
        }
        if (!counts.isEmpty()) {
            throw damaged(header, "tensor " + Quoted.of(counts.firstKey() + SUMS_SUFFIX) + " is missing");
        }
        return new ImatrixFile(header.file(), false, entries, datasets, chunkCount, chunkSize);
    }

    private static ImatrixEntry entry(GgufHeader header, String name, GgufTensor sums, GgufTensor counts) {
        for (GgufTensor tensor : List.of(sums, counts)) {
            if (tensor.type() != BlockType.F32) {
                throw damaged(
                        header,
                        "tensor " + Quoted.of(tensor.name()) + " is of type "
                                + tensor.type().label() + ", but must be F32");
            }
        }
        long values = sums.shape().elements();
        long divisors = counts.shape().elements();
        if (values < 1 || divisors < 1 || divisors > Integer.MAX_VALUE || values % divisors != 0) {
            throw damaged(
                    header, "entry " + Quoted.of(name) + " has " + values + " values with " + divisors + " counts");
        }
        TensorLocation valuesAt = header.location(sums);
        TensorLocation countsAt = header.location(counts);
        return new ImatrixEntry(name, header.file(), values, valuesAt.offset(), (int) divisors, countsAt.offset(), 0);
    }

    private static Optional<String> stripped(String name, String suffix) {
        return name.endsWith(suffix) && name.length() > suffix.length()
                ? Optional.of(name.substring(0, name.length() - suffix.length()))
                : Optional.empty();
    }

    private static List<String> datasets(GgufHeader header) {
        if (!(value(header, DATASETS) instanceof MetadataValue.Strings strings)) {
            throw damaged(header, "key " + DATASETS + " is not an array of strings");
        }
        List<String> datasets = new ArrayList<>();
        for (int i = 0; i < strings.count(); i++) {
            datasets.add(strings.get(i));
        }
        return datasets;
    }

    private static long number(GgufHeader header, String key) {
        MetadataValue value = value(header, key);
        if (value.type() != MetadataType.U32) {
            throw damaged(header, "key " + key + " is of type " + value.type() + ", but must be U32");
        }
        return ((MetadataValue.Int) value).value();
    }

    private static MetadataValue value(GgufHeader header, String key) {
        return header.metadata()
                .get(key)
                .orElseThrow(() -> damaged(header, "key " + key + " is missing, so it is no importance matrix"));
    }

    private static InvalidInputException damaged(GgufHeader header, String reason) {
        return new InvalidInputException("Cannot read imatrix " + header.file() + ": " + reason);
    }

    /** Path or URI, as it was asked for. */
    public String file() {
        return file;
    }

    /** Whether the file is of the format from before GGUF. */
    public boolean legacy() {
        return legacy;
    }

    /** All entries by the name of their weight, in order of name; read-only. */
    public SortedMap<String, ImatrixEntry> entries() {
        return entries;
    }

    /** The entry of a weight, or empty when there is none. */
    public Optional<ImatrixEntry> entry(String tensor) {
        return Optional.ofNullable(entries.get(tensor));
    }

    /** What the statistics were collected on, as the tool that collected them was given it. */
    public List<String> datasets() {
        return datasets;
    }

    /** Chunks of text behind the statistics, 0 when the file does not say. */
    public long chunkCount() {
        return chunkCount;
    }

    /** Tokens of a chunk, 0 when the file does not say. */
    public long chunkSize() {
        return chunkSize;
    }

    /**
     * Sets the {@code quantize.imatrix.*} keys that tell which importance matrix a model was quantized with. Several
     * datasets are joined by commas.
     *
     * @param usedEntries how many entries may be used: all, or what is left after a choice by name
     */
    public void describe(Metadata metadata, int usedEntries) {
        metadata.putString("quantize.imatrix.file", file);
        if (!datasets.isEmpty()) {
            metadata.putString("quantize.imatrix.dataset", String.join(", ", datasets));
        }
        metadata.putU32("quantize.imatrix.entries_count", usedEntries);
        if (chunkCount > 0) {
            metadata.putU32("quantize.imatrix.chunks_count", chunkCount);
        }
    }
}
