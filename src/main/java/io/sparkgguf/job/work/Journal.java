package io.sparkgguf.job.work;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.job.stage.Recall;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile.Written;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a run's stages came to, item by item, in the work folder: the same run, started again, does not do again what it
 * finds here. On the driver alone; tasks do not know of it.
 *
 * <p>Lines of text, {@code <xxHash64 of the rest> {"stage": …, "item": …, "result": {…}, "files": [{"name": …, "length": …,
 * "digest": …}]}}, where a later line takes the place of an earlier one of the same item, and one without a result takes
 * it back. The lines are in segments, files that are whole or absent: a new one about every second while something comes
 * in. What a torn or damaged line said is not known, and done again.
 *
 * <p>That a result is known does not say that its files are still there: see {@link Inventory}.
 */
public final class Journal implements AutoCloseable {
    private static final String FOLDER = "journal";
    private static final long PERIOD_MILLIS = 1000;

    private final Storage storage;
    private final String root;
    private final ObjectMapper json;
    private final Segments segments;
    private final Map<String, Map<String, Entry>> stages = new LinkedHashMap<>();
    private final List<String> pending = new ArrayList<>();
    private Before before = () -> {};
    private final Thread writer = new Thread(this::writeNowAndThen, "journal");
    private int damaged;
    private IOException failure;
    private boolean closed;

    /** What is done before lines are written. */
    public interface Before {
        void run() throws IOException;
    }

    /** A line, and the files that it speaks of. */
    private record Entry(String line, JsonNode result, List<Written> files) {}

    private Journal(Storage storage, String root, ObjectMapper json) {
        this.storage = storage;
        this.root = root;
        this.json = json;
        segments = new Segments(storage, storage.resolve(root, FOLDER));
        writer.setDaemon(true);
    }

    /**
     * Reads what there is.
     *
     * @param root the folder in which all files lie that it speaks of; the journal is in a folder of it
     * @param json makes text of results and results of text
     */
    public static Journal open(Storage storage, String root, ObjectMapper json) throws IOException {
        Journal journal = new Journal(storage, root, json);
        journal.damaged = journal.segments.read(journal::replay);
        journal.writer.start();
        return journal;
    }

    /** Takes in a line; false when it cannot be understood. */
    private boolean replay(String text) {
        JsonNode line;
        try {
            line = json.readTree(text);
        } catch (JsonProcessingException e) {
            return false;
        }
        String stage = line.path("stage").asText(null);
        String item = line.path("item").asText(null);
        if (stage == null) {
            return false;
        }
        if (item == null) {
            stages.remove(stage);
        } else if (!line.hasNonNull("result")) {
            items(stage).remove(item);
        } else {
            List<Written> files = new ArrayList<>();
            for (JsonNode file : line.path("files")) {
                String name = file.path("name").asText("");
                String digest = file.path("digest").asText("");
                if (!digest.matches("[0-9a-f]{16}")) {
                    return false;
                }
                String full;
                try {
                    full = storage.resolve(root, name);
                } catch (InvalidInputException outside) {
                    return false;
                }
                long length = file.path("length").asLong(-1);
                files.add(new Written(full, length, Long.parseUnsignedLong(digest, 16)));
            }
            put(stage, item, new Entry(text, line.get("result"), files));
        }
        return true;
    }

    private void put(String stage, String item, Entry entry) {
        items(stage).remove(item); // so that the order is that of the lines
        items(stage).put(item, entry);
    }

    private Map<String, Entry> items(String stage) {
        return stages.computeIfAbsent(stage, key -> new LinkedHashMap<>());
    }

    /** From now on lines are not written before this was done since they were recorded: it puts on disk what they tell of. */
    public synchronized void before(Before step) {
        before = step;
    }

    /** Lines that were there and could not be read. */
    public int damaged() {
        return damaged;
    }

    /** Whether all of a stage's items are known. */
    public synchronized boolean knowsAll(String stage, Collection<String> items) {
        return items(stage).keySet().containsAll(items);
    }

    /** Whether nothing is known. */
    public synchronized boolean isEmpty() {
        return stages.values().stream().allMatch(Map::isEmpty);
    }

    /** How many items of a stage are known. */
    public synchronized int count(String stage) {
        return items(stage).size();
    }

    /** The result of an item; null when it is not known, or is none of that type. */
    public synchronized <R> R known(String stage, String item, Class<R> type) {
        Entry entry = items(stage).get(item);
        if (entry == null) {
            return null;
        }
        try {
            return json.treeToValue(entry.result(), type);
        } catch (JsonProcessingException | IllegalArgumentException e) {
            return null;
        }
    }

    /** The files of an item, as they were when it was done. */
    public synchronized List<Written> files(String stage, String item) {
        Entry entry = items(stage).get(item);
        return entry == null ? List.of() : entry.files();
    }

    /** Names of all files that are spoken of. */
    public synchronized Set<String> fileNames() {
        Set<String> names = new HashSet<>();
        stages.values()
                .forEach(items ->
                        items.values().forEach(entry -> entry.files().forEach(file -> names.add(file.file()))));
        return names;
    }

    /**
     * From now on the results of stages hold without the files of a folder, which may go when this returns.
     *
     * @param prefix how the stages' names begin
     */
    public void releaseFiles(String prefix, String folder) throws IOException {
        synchronized (this) {
            for (String stage : named(prefix)) {
                for (Map.Entry<String, Entry> item : List.copyOf(items(stage).entrySet())) {
                    List<Written> files = item.getValue().files();
                    List<Written> left = files.stream()
                            .filter(file -> !file.file().startsWith(folder + "/"))
                            .toList();
                    if (left.size() < files.size()) {
                        record(stage, item.getKey(), item.getValue().result(), left);
                    }
                }
            }
        }
        flush();
    }

    private List<String> named(String prefix) {
        return stages.keySet().stream()
                .filter(stage -> stage.startsWith(prefix))
                .toList();
    }

    /** All files that are spoken of, each as it was written last. */
    public synchronized List<Written> files() {
        Map<String, Written> kept = new LinkedHashMap<>();
        stages.forEach((stage, items) ->
                items.forEach((item, entry) -> entry.files().forEach(file -> kept.put(file.file(), file))));
        return List.copyOf(kept.values());
    }

    /**
     * The memory of a stage: what is known of its items, and where results go.
     *
     * @param items a name for each
     */
    public <R> Recall<Noted<R>> recall(String stage, List<String> items, Class<R> type) {
        return new Recall<>() {
            @Override
            public Noted<R> known(int item) {
                R result = Journal.this.known(stage, items.get(item), type);
                return result == null ? null : new Noted<>(result, new ArrayList<>());
            }

            @Override
            public void learned(int item, Noted<R> noted) throws IOException {
                record(stage, items.get(item), noted.result(), noted.files());
            }
        };
    }

    /**
     * Keeps a result.
     *
     * @param files that belong to it, in the work folder
     * @throws IOException when this or an earlier result could not be written
     */
    public synchronized void record(String stage, String item, Object result, List<Written> files) throws IOException {
        requireWritable();
        ObjectNode line = json.createObjectNode();
        line.put("stage", stage).put("item", item).set("result", json.valueToTree(result));
        if (!files.isEmpty()) {
            ArrayNode list = line.putArray("files");
            for (Written file : files) {
                list.addObject()
                        .put("name", relative(file.file()))
                        .put("length", file.length())
                        .put("digest", Digest.hex(file.digest()));
            }
        }
        String text = text(line);
        put(stage, item, new Entry(text, line.get("result"), List.copyOf(files)));
        pending.add(text);
    }

    private String relative(String file) {
        String within = storage.resolve(root, "x");
        String prefix = within.substring(0, within.length() - 1);
        if (!file.startsWith(prefix)) {
            throw new IllegalArgumentException("Cannot keep " + file + " in the journal: it is not in " + root);
        }
        return file.substring(prefix.length());
    }

    /** Takes back all that is known of a stage. */
    public synchronized void forget(String stage) throws IOException {
        requireWritable();
        Map<String, Entry> items = stages.remove(stage);
        if (items != null && !items.isEmpty()) {
            pending.add(text(json.createObjectNode().put("stage", stage)));
        }
    }

    /** Takes back all results that a file belongs to. */
    public synchronized void forgetFile(String file) throws IOException {
        Map<String, List<String>> found = new LinkedHashMap<>();
        stages.forEach((stage, items) -> items.forEach((item, entry) -> {
            if (entry.files().stream().anyMatch(written -> written.file().equals(file))) {
                found.computeIfAbsent(stage, key -> new ArrayList<>()).add(item);
            }
        }));
        for (Map.Entry<String, List<String>> stage : found.entrySet()) {
            for (String item : stage.getValue()) {
                forget(stage.getKey(), item);
            }
        }
    }

    /** Takes back an item. */
    public synchronized void forget(String stage, String item) throws IOException {
        requireWritable();
        if (items(stage).remove(item) != null) {
            pending.add(text(json.createObjectNode().put("stage", stage).put("item", item)));
        }
    }

    private String text(JsonNode line) {
        try {
            return json.writeValueAsString(line);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("Cannot keep a result in the journal: " + e.getOriginalMessage(), e);
        }
    }

    private void requireWritable() throws IOException {
        if (failure != null) {
            throw new IOException(failure.getMessage(), failure);
        }
    }

    /** Returns when all that was recorded is in a file. */
    public void flush() throws IOException {
        synchronized (segments) {
            List<String> lines;
            boolean all;
            Before first;
            synchronized (this) {
                requireWritable();
                all = !pending.isEmpty() && segments.areMany();
                lines = all ? all() : List.copyOf(pending);
                pending.clear();
                first = before;
            }
            try {
                if (!lines.isEmpty()) {
                    first.run();
                }
                if (all) {
                    segments.replaceAll(lines);
                } else if (!lines.isEmpty()) {
                    segments.add(lines);
                }
            } catch (IOException e) {
                synchronized (this) {
                    failure = e;
                }
                throw e;
            }
        }
    }

    private List<String> all() {
        List<String> lines = new ArrayList<>();
        stages.values().forEach(items -> items.values().forEach(entry -> lines.add(entry.line())));
        return lines;
    }

    private void writeNowAndThen() {
        while (true) {
            synchronized (this) {
                try {
                    wait(PERIOD_MILLIS);
                } catch (InterruptedException e) {
                    return;
                }
                if (closed || failure != null) {
                    return;
                }
            }
            try {
                flush();
            } catch (IOException e) {
                return; // the next result that is recorded, or the end of the stage, fails with it
            }
        }
    }

    /** Writes what is left. */
    @Override
    public void close() throws IOException {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            notifyAll();
        }
        flush();
    }
}
