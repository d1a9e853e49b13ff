package io.sparkgguf.job.work;

import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a task came to, and the files that it wrote.
 *
 * @param result not null
 */
public record Noted<R>(R result, ArrayList<Written> files) implements Serializable {

    /** The task that tells both. */
    public static <T, R> Stage.Task<T, Noted<R>> of(Stage.Task<T, R> task) {
        return item -> {
            ArrayList<Written> files = new ArrayList<>();
            R result = WholeFile.noting(files, () -> task.run(item));
            Map<String, Written> last = new LinkedHashMap<>(); // some are written more than once
            files.forEach(file -> last.put(file.file(), file));
            return new Noted<>(result, new ArrayList<>(last.values()));
        };
    }

    /** The results alone. */
    public static <R> List<R> results(List<Noted<R>> noted) {
        return noted.stream().map(Noted::result).toList();
    }
}
