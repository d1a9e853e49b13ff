package io.sparkgguf.format.gguf;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a model is cut into several GGUF files, and what they are called. The first file has all the metadata; every file
 * has the three split keys, an alignment other than the default, and a header and data section of its own.
 */
public final class GgufSplit {
    /** {@code split.count} is a u16. */
    private static final int MAX_SHARDS = 65_535;

    private static final String EXTENSION = ".gguf";
    private static final Pattern SIZE = Pattern.compile("([0-9]{1,9})([MG])");
    private static final Pattern SUFFIX = Pattern.compile("-[0-9]{5}-of-[0-9]{5}\\.gguf$");

    private GgufSplit() {}

    /** How the name of file {@code shard} (from 0) of {@code count} ends: {@code -00001-of-00003.gguf} for the first. */
    static String suffix(int shard, int count) {
        return String.format("-%05d-of-%05d%s", shard + 1, count, EXTENSION);
    }

    /** What stands before that ending, or empty when {@code file} does not end so. */
    static Optional<String> prefix(String file, int shard, int count) {
        String suffix = suffix(shard, count);
        return file.endsWith(suffix) && file.length() > suffix.length()
                ? Optional.of(file.substring(0, file.length() - suffix.length()))
                : Optional.empty();
    }

    /**
     * The names of {@code count} files written for {@code output}: itself when it is one file; else with the ending
     * {@code -00001-of-00003.gguf} and so on, in place of its {@code .gguf} or of another such ending.
     */
    public static List<String> fileNames(String output, int count) {
        if (count == 1) {
            return List.of(output);
        }
        String prefix = SUFFIX.matcher(output).replaceFirst("");
        if (prefix.endsWith(EXTENSION)) {
            prefix = prefix.substring(0, prefix.length() - EXTENSION.length());
        }
        List<String> names = new ArrayList<>(count);
        for (int shard = 0; shard < count; shard++) {
            names.add(prefix + suffix(shard, count));
        }
        return names;
    }

    /**
     * Bytes of a size such as {@code 500M} or {@code 2G}; the units are decimal.
     *
     * @throws InvalidInputException when it is not a whole number above 0 followed by M or G
     */
    public static long parseSize(String text) {
        Matcher matcher = SIZE.matcher(text);
        if (!matcher.matches() || Long.parseLong(matcher.group(1)) == 0) {
            throw new InvalidInputException("Cannot use " + Quoted.of(text)
                    + " as a size: write a whole number above 0 and M or G, for example 500M or 2G");
        }
        long number = Long.parseLong(matcher.group(1));
        return Math.multiplyExact(number, matcher.group(2).equals("M") ? 1_000_000L : 1_000_000_000L);
    }

    /** A copy without {@code split.no}, {@code split.count} and {@code split.tensors.count}. */
    public static Metadata withoutSplitKeys(Metadata metadata) {
        return metadata.copy()
                .remove(GgufRules.SPLIT_NO)
                .remove(GgufRules.SPLIT_COUNT)
                .remove(GgufRules.SPLIT_TENSORS_COUNT);
    }

    /**
     * Files of at most {@code maxBytes} bytes each, header and padding included, filled in order. One file without split
     * keys when everything fits into it; a first file without tensors when only the metadata fits.
     *
     * @throws InvalidInputException when one tensor, or the metadata, does not fit into a file
     */
    public static List<GgufLayout> bySize(Metadata metadata, List<GgufLayout.Entry> tensors, long maxBytes) {
        Metadata plain = withoutSplitKeys(metadata);
        GgufLayout whole = GgufLayout.of(plain, tensors);
        if (whole.length() <= maxBytes) {
            return List.of(whole);
        }
        List<List<GgufLayout.Entry>> parts = new ArrayList<>();
        long alignment = whole.alignment();
        // The keys' values change from file to file, but not their size.
        long table = GgufLayout.pairsEnd(keyed(plain, 0, 1, tensors.size()));
        long laterTable = GgufLayout.pairsEnd(keyed(plain, 1, 1, tensors.size()));
        List<GgufLayout.Entry> part = new ArrayList<>();
        long data = 0;
        for (GgufLayout.Entry tensor : tensors) {
            long bytes = GgufRules.padded(tensor.type().bytes(tensor.shape().elements()), alignment);
            long row = tableRow(tensor);
            if (exceeds(table + row, data + bytes, alignment, maxBytes) && (!part.isEmpty() || parts.isEmpty())) {
                parts.add(part);
                part = new ArrayList<>();
                table = laterTable;
                data = 0;
            }
            if (exceeds(table + row, data + bytes, alignment, maxBytes)) {
                throw new InvalidInputException("Cannot split into files of " + maxBytes + " bytes: tensor "
                        + Quoted.of(tensor.name()) + " needs a file of "
                        + (GgufRules.padded(table + row, alignment) + bytes));
            }
            part.add(tensor);
            table += row;
            data += bytes;
        }
        parts.add(part);
        List<GgufLayout> layouts = layouts(plain, parts, tensors.size());
        if (layouts.get(0).length() > maxBytes) {
            throw new InvalidInputException("Cannot split into files of " + maxBytes
                    + " bytes: the metadata needs a file of " + layouts.get(0).length());
        }
        return layouts;
    }

    private static boolean exceeds(long table, long data, long alignment, long maxBytes) {
        return data > maxBytes - GgufRules.padded(table, alignment);
    }

    /** Bytes that a tensor takes in the table. */
    private static long tableRow(GgufLayout.Entry tensor) {
        return 8
                + GgufRules.utf8(tensor.name()).orElseThrow().length
                + 4
                + 8L * tensor.shape().rank()
                + 4
                + 8;
    }

    /**
     * Files that hold the tensors that {@code shardOf} puts there, for example the source's own shards. One file without
     * split keys when there is one shard.
     *
     * @param tensors sorted by shard
     * @param shards number of files
     * @param shardOf the file, from 0, of a tensor by its name
     * @throws InvalidInputException when there are more than 65,535 files
     * @throws IllegalArgumentException when the tensors are not sorted by shard, or a shard is out of range
     */
    public static List<GgufLayout> byShard(
            Metadata metadata, List<GgufLayout.Entry> tensors, int shards, ToIntFunction<String> shardOf) {
        Metadata plain = withoutSplitKeys(metadata);
        if (shards == 1) {
            return List.of(GgufLayout.of(plain, tensors));
        }
        List<List<GgufLayout.Entry>> parts = new ArrayList<>();
        for (int shard = 0; shard < shards; shard++) {
            parts.add(new ArrayList<>());
        }
        int last = 0;
        for (GgufLayout.Entry tensor : tensors) {
            int shard = shardOf.applyAsInt(tensor.name());
            if (shard < last || shard >= shards) {
                throw new IllegalArgumentException("Cannot put tensor " + Quoted.of(tensor.name()) + " into file "
                        + shard + " of " + shards + ": the tensor before it is in file " + last);
            }
            parts.get(shard).add(tensor);
            last = shard;
        }
        return layouts(plain, parts, tensors.size());
    }

    private static List<GgufLayout> layouts(Metadata plain, List<List<GgufLayout.Entry>> parts, int tensors) {
        if (parts.size() > MAX_SHARDS) {
            throw new InvalidInputException("Cannot split into " + parts.size() + " files: at most " + MAX_SHARDS
                    + " are allowed, choose a larger size");
        }
        List<GgufLayout> layouts = new ArrayList<>(parts.size());
        for (int shard = 0; shard < parts.size(); shard++) {
            layouts.add(GgufLayout.of(keyed(plain, shard, parts.size(), tensors), parts.get(shard)));
        }
        return layouts;
    }

    private static Metadata keyed(Metadata plain, int shard, int count, int tensors) {
        Metadata metadata = shard == 0 ? plain.copy() : new Metadata();
        if (shard > 0) {
            plain.get(GgufRules.ALIGNMENT_KEY).ifPresent(value -> metadata.put(GgufRules.ALIGNMENT_KEY, value));
        }
        return metadata.put(GgufRules.SPLIT_NO, MetadataValue.Int.of(MetadataType.U16, shard))
                .put(GgufRules.SPLIT_COUNT, MetadataValue.Int.of(MetadataType.U16, count))
                .put(GgufRules.SPLIT_TENSORS_COUNT, MetadataValue.Int.of(MetadataType.I32, tensors));
    }
}
