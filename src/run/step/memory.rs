//! What was found out about objects that have not changed since: of thousands, each change is about
//! one.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

/// Answers about objects, by the question's number. An object that changes is another one.
///
/// Keeps those of the last look and of the present one.
#[derive(Debug)]
pub struct Memory<T> {
    before: HashMap<(usize, usize), (Arc<Value>, T)>,
    now: HashMap<(usize, usize), (Arc<Value>, T)>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self {
            before: HashMap::new(),
            now: HashMap::new(),
        }
    }
}

impl<T: Clone> Memory<T> {
    /// A look begins: what the last one did not ask for is forgotten.
    pub fn next_look(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// The answer to a question about an object, found only where it is not known.
    ///
    /// # Errors
    /// Those of `find`; they are not remembered.
    pub fn of<E>(
        &mut self,
        question: usize,
        object: &Arc<Value>,
        find: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // no other object can have the address while this one is kept
        let key = (question, Arc::as_ptr(object).addr());
        if let Some((_, known)) = self.now.get(&key) {
            return Ok(known.clone());
        }
        let answer = match self.before.remove(&key) {
            Some((_, known)) => known,
            None => find()?,
        };
        self.now.insert(key, (Arc::clone(object), answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_looked_at_again_only_where_it_changed() {
        let mut objects: Vec<_> = (0..5000).map(|n| Arc::new(json!({"n": n}))).collect();
        let mut memory = Memory::default();
        let mut asked = 0;
        let mut look = |objects: &[Arc<Value>]| {
            memory.next_look();
            for object in objects {
                let n = memory.of(0, object, || {
                    asked += 1;
                    Ok::<_, ()>(object["n"].clone())
                });
                assert_eq!(n, Ok(object["n"].clone()));
            }
            asked
        };
        assert_eq!(look(&objects), 5000);
        assert_eq!(look(&objects), 5000);
        for changed in 0..100 {
            objects[changed] = Arc::new(json!({"n": -1}));
            assert_eq!(look(&objects), 5001 + changed);
        }
    }

    #[test]
    fn questions_are_kept_apart_and_errors_are_not_remembered() {
        let object = Arc::new(json!({}));
        let mut memory = Memory::default();
        assert_eq!(memory.of(0, &object, || Err::<u8, _>("no")), Err("no"));
        assert_eq!(memory.of(0, &object, || Ok::<_, &str>(1)), Ok(1));
        assert_eq!(memory.of(1, &object, || Ok::<_, &str>(2)), Ok(2));
        memory.next_look();
        memory.next_look();
        assert_eq!(memory.of(0, &object, || Ok::<_, &str>(3)), Ok(3));
    }
}
