package io.sparkgguf.job.qat;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.storage.Storage;
import java.io.Serializable;

/** Where weights lie, for tasks to open. */
public interface Weights extends Serializable {
    /** Opens them; for one thread. */
    WeightSource open(Storage storage);
}
