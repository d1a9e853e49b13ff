package io.sparkgguf.job.work;

import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

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
            return new Noted<>(result, files);
        };
    }

    /** The results alone. */
    public static <R> List<R> results(List<Noted<R>> noted) {
        return noted.stream().map(Noted::result).toList();
    }
}
