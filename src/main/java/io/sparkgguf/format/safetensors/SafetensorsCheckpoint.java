package io.sparkgguf.format.safetensors;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * The tensors of a checkpoint folder: one {@code model.safetensors}, or the shards that
 * {@code model.safetensors.index.json} names.
 *
 * @param folder where it lies
 * @param files its safetensors files, in order of name
 * @param tensors of all files, file after file, each file's in order of its bytes; no name twice
 * @param metadata the free text of all files; where two give the same key, the first file's
 */
public record SafetensorsCheckpoint(
        String folder, List<String> files, List<TensorLocation> tensors, Map<String, String> metadata) {
    public static final String SINGLE = "model.safetensors";
    public static final String INDEX = "model.safetensors.index.json";

    /** An index names every tensor once, so it is no longer than the headers it stands for. */
    private static final long MAX_INDEX_BYTES = SafetensorsReader.MAX_HEADER_BYTES;

    private static final int MAX_FILE_NAME = 255;

    public SafetensorsCheckpoint {
        files = List.copyOf(files);
        tensors = List.copyOf(tensors);
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    }

    /**
     * Reads the headers of a folder's files, and checks index and shards against each other.
     *
     * @throws InvalidInputException when there is no checkpoint, a file is damaged, or index and shards disagree
     */
    public static SafetensorsCheckpoint open(Storage storage, String folder) throws IOException {
        String index = storage.resolve(folder, INDEX);
        boolean single = storage.exists(storage.resolve(folder, SINGLE));
        if (!storage.exists(index)) {
            if (!single) {
                throw new InvalidInputException(
                        "Cannot open checkpoint " + folder + ": it has neither " + SINGLE + " nor " + INDEX);
            }
            return read(storage, folder, List.of(SINGLE), null, index);
        }
        Map<String, String> shardOf = readIndex(storage, index);
        TreeSet<String> shards = new TreeSet<>(shardOf.values());
        if (single && !shards.contains(SINGLE)) {
            throw new InvalidInputException("Cannot open checkpoint " + folder + ": it has " + SINGLE + " and also "
                    + INDEX + ", which does not name it");
        }
        for (String shard : shards) {
            if (!storage.exists(storage.resolve(folder, shard))) {
                throw new InvalidInputException(
                        "Cannot open checkpoint " + folder + ": " + INDEX + " names " + shard + ", which is not there");
            }
        }
        return read(storage, folder, List.copyOf(shards), shardOf, index);
    }

    /** @param shardOf the shard of each tensor as the index has it, emptied here; null without an index */
    private static SafetensorsCheckpoint read(
            Storage storage, String folder, List<String> names, Map<String, String> shardOf, String index)
            throws IOException {
        List<String> files = new ArrayList<>();
        List<TensorLocation> tensors = new ArrayList<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        Map<String, String> found = new HashMap<>();
        for (String name : names) {
            String file = storage.resolve(folder, name);
            SafetensorsHeader header;
            try (RangeReader reader = storage.open(file)) {
                header = SafetensorsReader.read(reader);
            }
            files.add(file);
            header.metadata().forEach(metadata::putIfAbsent);
            for (TensorLocation tensor : header.tensors()) {
                String other = found.put(tensor.name(), name);
                if (other != null) {
                    throw new InvalidInputException("Cannot open checkpoint " + folder + ": tensor '" + tensor.name()
                            + "' is in both " + other + " and " + name);
                }
                if (shardOf != null) {
                    checkIndexed(index, tensor.name(), name, shardOf.get(tensor.name()));
                }
                tensors.add(tensor);
            }
        }
        if (shardOf != null && shardOf.size() != found.size()) {
            shardOf.keySet().removeAll(found.keySet());
            Map.Entry<String, String> first = shardOf.entrySet().iterator().next();
            throw new InvalidInputException("Cannot use " + index + ": it puts tensor '" + first.getKey() + "' into "
                    + first.getValue() + ", which does not hold it" + others(shardOf.size() - 1));
        }
        return new SafetensorsCheckpoint(folder, files, tensors, metadata);
    }

    private static void checkIndexed(String index, String tensor, String file, String indexed) {
        if (indexed == null) {
            throw new InvalidInputException(
                    "Cannot use " + index + ": it does not name tensor '" + tensor + "', which " + file + " holds");
        }
        if (!indexed.equals(file)) {
            throw new InvalidInputException("Cannot use " + index + ": it puts tensor '" + tensor + "' into " + indexed
                    + ", but " + file + " holds it");
        }
    }

    private static String others(int count) {
        return count == 0 ? "" : " (and " + count + " more such)";
    }

    private static Map<String, String> readIndex(Storage storage, String index) throws IOException {
        byte[] bytes;
        try (RangeReader reader = storage.open(index)) {
            if (reader.length() > MAX_INDEX_BYTES) {
                throw new InvalidInputException("Cannot read " + index + ": " + reader.length()
                        + " bytes, over the limit of " + MAX_INDEX_BYTES);
            }
            bytes = new byte[(int) reader.length()];
            reader.readFully(0, bytes, 0, bytes.length);
        }
        Map<String, String> shardOf = new LinkedHashMap<>();
        boolean seen = false;
        try (StrictJson json = new StrictJson(index, bytes, 0)) {
            json.startObject("the index");
            for (String key = json.nextName(); key != null; key = json.nextName()) {
                if (!key.equals("weight_map")) {
                    json.skip(); // metadata: sizes that follow from the shards
                } else if (seen) {
                    throw json.damaged("a second weight_map");
                } else {
                    seen = true;
                    readWeightMap(json, shardOf);
                }
            }
            json.end();
        }
        if (shardOf.isEmpty()) {
            throw new InvalidInputException(
                    "Cannot read " + index + ": " + (seen ? "its weight_map is empty" : "it has no weight_map"));
        }
        return shardOf;
    }

    private static void readWeightMap(StrictJson json, Map<String, String> shardOf) throws IOException {
        Map<String, String> shards = new HashMap<>(); // one copy of each name
        json.startObject("weight_map");
        for (String tensor = json.nextName(); tensor != null; tensor = json.nextName()) {
            String shard = json.text("the shard of tensor '" + tensor + "'");
            if (!shards.containsKey(shard)) {
                if (!isFileName(shard)) {
                    throw json.damaged("tensor '" + tensor + "' is put into '" + shard
                            + "', which is not the name of a safetensors file in the folder");
                }
                shards.put(shard, shard);
            }
            if (shardOf.put(tensor, shards.get(shard)) != null) {
                throw json.damaged("a second tensor '" + tensor + "'");
            }
        }
    }

    /**
     * Whether a checkpoint's file may have this name, which stays in its folder in every storage: no separator, scheme,
     * drive, query or control character.
     */
    public static boolean isFileName(String name) {
        return name.length() <= MAX_FILE_NAME
                && name.endsWith(".safetensors")
                && name.chars().noneMatch(c -> c < ' ' || c == 0x7F || "/\\:?#%*".indexOf(c) >= 0);
    }
}
